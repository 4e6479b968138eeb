"""The client for programs that do not use asyncio."""

import asyncio
from collections.abc import Coroutine, Iterable, Iterator, Mapping
from contextlib import suppress
from threading import Thread
from typing import Any, Self, TypeVar

from pydantic import JsonValue

from nodeflow.client.asynchronous import AsyncClient
from nodeflow.protocol.events import JobEvent
from nodeflow.protocol.jobreport import JobReport
from nodeflow.protocol.jobs import JobChange, JobInfo, JobOptions, JobPage, JobState, QueueInfo

T = TypeVar("T")


class Client:
    """A typed client of a nodeflow server: ``with Client() as client``; see ``AsyncClient``, whose methods it has.

    It may be used by several threads, and inside a running asyncio loop (Jupyter).
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

    def submit(
        self,
        document: Mapping[str, Any],
        inputs: Mapping[str, JsonValue] | None = None,
        *,
        targets: Iterable[str] | None = None,
        options: JobOptions | None = None,
        key: str | None = None,
    ) -> JobInfo:
        """Puts a job into the queue; see ``AsyncClient.submit``."""
        return self._do(self._client.submit(document, inputs, targets=targets, options=options, key=key))

    def info(self, job: str) -> JobInfo:
        """Everything about a job."""
        return self._do(self._client.info(job))

    def report(self, job: str) -> JobReport:
        """How a job went, as ``nodeflow run --json`` tells it, and the files that it wrote."""
        return self._do(self._client.report(job))

    def jobs(
        self,
        *,
        states: Iterable[JobState] = (),
        workflow: str | None = None,
        sweep: str | None = None,
        after: str | None = None,
        limit: int | None = None,
    ) -> JobPage:
        """A page of the list of jobs, the newest first; see ``AsyncClient.jobs``."""
        return self._do(self._client.jobs(states=states, workflow=workflow, sweep=sweep, after=after, limit=limit))

    def events(self, job: str, after: int = 0) -> Iterator[JobEvent]:
        """What happens to a job, every event once; see ``AsyncClient.events``."""
        events = self._client.events(job, after)
        try:
            with suppress(StopAsyncIteration):
                while True:
                    yield self._do(_next(events))
        finally:
            self._do(events.aclose())

    def wait(self, job: str) -> JobInfo:
        """The job, once it has ended."""
        return self._do(self._client.wait(job))

    def cancel(self, job: str) -> JobInfo:
        """Stops a job within one step, or takes it out of the queue."""
        return self._do(self._client.cancel(job))

    def retry(self, job: str) -> JobInfo:
        """Puts a job that has ended into the queue once more, as a new one with the same values."""
        return self._do(self._client.retry(job))

    def delete(self, job: str) -> None:
        """Forgets a job that has ended; its files stay."""
        self._do(self._client.delete(job))

    def change(self, job: str, change: JobChange) -> JobInfo:
        """Gives a queued job another priority or place."""
        return self._do(self._client.change(job, change))

    def queue(self) -> QueueInfo:
        """The queue and the workers."""
        return self._do(self._client.queue())

    def pause(self) -> QueueInfo:
        """Starts no further job, also not after a restart; those that run go on."""
        return self._do(self._client.pause())

    def resume(self) -> QueueInfo:
        """Starts jobs again."""
        return self._do(self._client.resume())

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

    def _do(self, work: Coroutine[Any, Any, T]) -> T:
        waiting = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return waiting.result()
        except BaseException:
            waiting.cancel()  # after Ctrl-C nobody waits for it any longer
            raise


async def _next(events: Any) -> JobEvent:
    event: JobEvent = await anext(events)
    return event
