"""Typed client of a nodeflow server; needs neither torch nor a server of its own."""

from nodeflow.client.asynchronous import AsyncClient as AsyncClient
from nodeflow.client.blocking import Client as Client
from nodeflow.client.errors import Refused as Refused
from nodeflow.client.errors import RefusedDocument as RefusedDocument
from nodeflow.client.errors import Unavailable as Unavailable
from nodeflow.client.errors import Unreachable as Unreachable

__all__ = ["AsyncClient", "Client", "Refused", "RefusedDocument", "Unavailable", "Unreachable"]
