"""Lazy inputs: a value that is computed when, and only when, the node awaits it."""

import asyncio
from collections.abc import Callable, Generator
from typing import Any

from nodeflow.core.blocked import Blocked
from nodeflow.core.errors import InputError


class Unavailable(Exception):
    """An awaited input cannot be had, because something above it failed."""


class BlockedInput(Exception):
    """An awaited input turned out to be blocked."""

    def __init__(self, blocked: Blocked) -> None:
        self.blocked = blocked
        super().__init__("an awaited input is blocked")


class Promise:
    """A lazy input on the event loop; awaiting it the first time makes the engine compute it."""

    __slots__ = ("_ask", "_future", "input")

    def __init__(self, input: str, ask: "Callable[[Promise], None]") -> None:
        self.input = input
        self._ask = ask
        self._future: asyncio.Future[object] | None = None

    def __await__(self) -> Generator[Any, Any, object]:
        if self._future is None:
            self._future = asyncio.get_running_loop().create_future()
            self._ask(self)
        if self._future.done():
            return self._future.result()
        return (yield from self._future)

    def settle(self, value: object) -> None:
        """Hand the value, or the exception that stands for it, to the node; on the loop's thread only."""
        assert self._future is not None
        if self._future.done():
            return
        if isinstance(value, Blocked):
            self._future.set_exception(BlockedInput(value))
        elif isinstance(value, Unavailable | InputError):
            self._future.set_exception(value)
        else:
            self._future.set_result(value)
