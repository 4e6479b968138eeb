"""The client for programs that do not use asyncio."""

import asyncio
from collections.abc import AsyncGenerator, Coroutine, Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from threading import Thread
from typing import Any, Self, TypeVar

from pydantic import JsonValue

from nodeflow.client.asynchronous import AsyncClient
from nodeflow.protocol.events import JobEvent
from nodeflow.protocol.files import FileInfo, FilePage
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
        return self._each(self._client.events(job, after))

    def wait(self, job: str, seconds: float | None = None) -> JobInfo:
        """The job, once it has ended, or as it is when the time is up."""
        return self._do(self._client.wait(job, seconds))

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

    def download(self, output: str) -> Iterator[bytes]:
        """The content of an output, piece by piece; see ``AsyncClient.download``."""
        return self._each(self._client.download(output))

    def upload(self, path: Path | str, name: str = "", *, replace: bool = False, upright: bool = False) -> FileInfo:
        """Sends a file, so that documents may name it; see ``AsyncClient.upload``."""
        return self._do(self._client.upload(path, name, replace=replace, upright=upright))

    def files(self, *, after: str | None = None, limit: int | None = None) -> FilePage:
        """A page of the list of files that were sent; see ``AsyncClient.files``."""
        return self._do(self._client.files(after=after, limit=limit))

    def delete_file(self, name: str) -> None:
        """Puts a file that was sent into the trash."""
        self._do(self._client.delete_file(name))

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
        try:
            with suppress(StopAsyncIteration):
                while True:
                    yield self._do(_next(items))
        finally:
            if not self._loop.is_closed():
                self._do(items.aclose())

    def _do(self, work: Coroutine[Any, Any, T]) -> T:
        waiting = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return waiting.result()
        except BaseException:
            waiting.cancel()  # after Ctrl-C nobody waits for it any longer
            raise


async def _next(items: AsyncGenerator[T]) -> T:
    return await anext(items)
