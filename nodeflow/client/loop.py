"""An asyncio loop in a thread of its own, for callers that have none."""

import asyncio
from collections.abc import AsyncGenerator, Coroutine, Iterator
from contextlib import suppress
from threading import Thread
from typing import Any, Self, TypeVar

from nodeflow.client.asynchronous import AsyncClient

T = TypeVar("T")


class Blocking:
    """Has a client for asyncio, and waits for what it is asked to do.

    Args:
        url: By default ``$NODEFLOW_SERVER``, else the server of ``$NODEFLOW_HOME``, else ``http://127.0.0.1:8188``.
        token: ``$NODEFLOW_TOKEN`` by default; the server of ``$NODEFLOW_HOME`` needs none.
        patience: Seconds for which a server that went away is waited for.
    """

    def __init__(self, url: str | None = None, token: str | None = None, *, patience: float = 60.0) -> None:
        self._client = AsyncClient(url, token, patience=patience)
        self._loop = asyncio.new_event_loop()
        self._thread = Thread(target=self._loop.run_forever, name="nodeflow-client", daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        """Where the server is."""
        return self._client.url

    def close(self) -> None:
        """Ends all connections."""
        if self._loop.is_closed():
            return
        self._do(self._client.aclose())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _each(self, items: AsyncGenerator[T]) -> Iterator[T]:
        turn = asyncio.Lock()
        try:
            with suppress(StopAsyncIteration):
                while True:
                    yield self._do(_next(items, turn))
        finally:
            if not self._loop.is_closed():
                self._do(_end(items, turn))

    def _do(self, work: Coroutine[Any, Any, T]) -> T:
        waiting = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return waiting.result()
        except BaseException:
            waiting.cancel()  # after Ctrl-C nobody waits for it any longer
            raise


async def _next(items: AsyncGenerator[T], turn: asyncio.Lock) -> T:
    async with turn:
        return await anext(items)


async def _end(items: AsyncGenerator[T], turn: asyncio.Lock) -> None:
    """Closes a generator once what was asked of it last, and given up by Ctrl-C, has come to its end."""
    async with turn:
        await items.aclose()
