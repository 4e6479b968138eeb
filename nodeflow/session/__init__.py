"""The composition root: a session wires engine, storage and packs together for Python users and the shell.

Names are looked up when they are first used, so that checking a document does not load what only a run needs.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nodeflow.session.results import NodeReport, Output, Result
    from nodeflow.session.running import Running
    from nodeflow.session.session import Session, run

__all__ = ["NodeReport", "Output", "Result", "Running", "Session", "run"]

_PLACES = {"NodeReport": "results", "Output": "results", "Result": "results", "Running": "running"}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_PLACES.get(name, 'session')}"), name)
