"""Where calls happen besides the device's own thread: a pool for CPU work, and one event loop for what awaits."""

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from threading import Lock, Thread
from typing import Any


class Lanes:
    """The threads of one engine, started when they are first needed.

    Attributes:
        device: Held while a node computes on the device, so that two runs of one engine take turns.
    """

    def __init__(self, cpu_workers: int) -> None:
        self.device = Lock()
        self._cpu_workers = cpu_workers
        self._starting = Lock()
        self._pool: ThreadPoolExecutor | None = None
        self._loop: _LoopThread | None = None

    def cpu(self, work: Callable[[], None]) -> None:
        """Do ``work``, which must not raise, on a thread of the pool."""
        with self._starting:
            if self._pool is None:
                self._pool = ThreadPoolExecutor(self._cpu_workers, thread_name_prefix="nodeflow-cpu")
            self._pool.submit(work)

    def awaiting(self, work: Coroutine[Any, Any, None], ended: Callable[[], None]) -> Callable[[], None]:
        """Run a coroutine on the event loop, then call ``ended`` however it went; returns how to cancel it."""
        with self._starting:
            if self._loop is None:
                self._loop = _LoopThread()
            loop = self._loop.loop
        tasks: list[asyncio.Task[None]] = []

        def start() -> None:
            task = loop.create_task(work)
            task.add_done_callback(lambda _: ended())
            tasks.append(task)

        def cancel() -> None:
            loop.call_soon_threadsafe(lambda: tasks[0].cancel())

        loop.call_soon_threadsafe(start)
        return cancel

    def call_soon(self, callback: Callable[[], object]) -> None:
        """Call on the event loop's thread; only from where a coroutine is running there."""
        assert self._loop is not None
        self._loop.loop.call_soon_threadsafe(callback)

    def close(self) -> None:
        """Let running work finish and end the threads."""
        with self._starting:
            pool, self._pool = self._pool, None
            loop, self._loop = self._loop, None
        if pool is not None:
            pool.shutdown()
        if loop is not None:
            loop.close()


class _LoopThread:
    """A thread that runs an event loop until it is told to end."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = Thread(target=self._run, name="nodeflow-io", daemon=True)
        self._thread.start()

    def close(self) -> None:
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()

    def _run(self) -> None:
        asyncio.set_event_loop(self.loop)
        try:
            self.loop.run_forever()
            self.loop.run_until_complete(_end_all())
            self.loop.run_until_complete(self.loop.shutdown_asyncgens())
        finally:
            self.loop.close()


async def _end_all() -> None:
    """Cancel what a run has left behind, and wait for it."""
    rest = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for task in rest:
        task.cancel()
    await asyncio.gather(*rest, return_exceptions=True)
