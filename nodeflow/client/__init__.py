"""Typed client of a nodeflow server; needs neither torch nor a server of its own.

Names are looked up when they are first used, so that the address of a server is known without what speaks to it.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nodeflow.client.asynchronous import AsyncClient
    from nodeflow.client.blocking import Client
    from nodeflow.client.errors import Refused, RefusedDocument, Unavailable, Unreachable

__all__ = ["AsyncClient", "Client", "Refused", "RefusedDocument", "Unavailable", "Unreachable"]

_PLACES = {"AsyncClient": "asynchronous", "Client": "blocking"}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_PLACES.get(name, 'errors')}"), name)
