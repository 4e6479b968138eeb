"""nodeflow: a node-graph workflow engine. Importing it loads neither torch nor any node pack."""

from typing import TYPE_CHECKING, Any

from nodeflow.version import __version__ as __version__

if TYPE_CHECKING:
    from nodeflow.session import Session as Session
    from nodeflow.session import run as run

__all__ = ["Session", "run"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'nodeflow' has no attribute {name!r}")
    from nodeflow import session

    return getattr(session, name)
