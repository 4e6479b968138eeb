"""Answers that stay open: how many there may be, and how long one may be held up by who does not read."""

import asyncio
from collections.abc import Awaitable
from contextlib import suppress
from typing import Final

from aiohttp import web

from nodeflow.protocol.errors import Refusal
from nodeflow.server.parts import PARTS

STALL_SECONDS: Final = 10.0
"""A client that has taken nothing for so long is disconnected; it may come back and go on where it was."""


class Stalled(ConnectionError):
    """The client does not read."""


def make_room(request: web.Request, client: str) -> None:
    """Lets one more stream of a client in; half of them at most are of the same one.

    Raises:
        Refusal: As many are open as there may be.
    """
    parts = request.app[PARTS]
    limit = parts.settings.limits.sockets
    share = max(1, limit // 2)
    if parts.hub.listening >= limit:
        raise _busy(f"{limit} event streams and WebSockets are open, which is as many as there may be")
    if parts.hub.listening_of(client) >= share:
        raise _busy(f"{share} event streams and WebSockets of {client} are open, which is as many as one may have")


def _busy(message: str) -> Refusal:
    return Refusal("server.busy", message, hint="close some, or raise limits.sockets in [server] of config.toml")


async def written(request: web.Request, writing: Awaitable[None]) -> None:
    """Waits until the client has taken what is being written.

    Raises:
        Stalled: It does not; the connection has been cut, since even a farewell would not be read.
        ConnectionError: It is gone.
    """
    try:
        async with asyncio.timeout(STALL_SECONDS):
            await writing
    except TimeoutError:
        cut(request)
        raise Stalled from None


def cut(request: web.Request) -> None:
    """Ends a connection without a farewell."""
    if isinstance(request.transport, asyncio.WriteTransport):
        with suppress(OSError):
            request.transport.abort()


def is_gone(request: web.Request) -> bool:
    """Whether the client has closed the connection."""
    return request.transport is None or request.transport.is_closing()
