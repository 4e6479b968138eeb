"""Jobs, sweeps and the queue, for programs that do not use asyncio."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pydantic import JsonValue

from nodeflow.client.loop import Blocking
from nodeflow.protocol.events import JobEvent
from nodeflow.protocol.jobreport import JobReport
from nodeflow.protocol.jobs import Cleared, JobChange, JobInfo, JobOptions, JobPage, JobState, QueueInfo
from nodeflow.protocol.queue import Imported, QueueExport
from nodeflow.protocol.sweeps import SweepInfo, SweepPage


class BlockingJobs(Blocking):
    """Calls about jobs and the queue; see ``JobCalls``."""

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

    def clear(self) -> Cleared:
        """Cancels the queued jobs of this client; those of all clients for an admin."""
        return self._do(self._client.clear())

    def export_queue(self) -> QueueExport:
        """All queued jobs with their documents, for another server; they stay in this one's queue, too."""
        return self._do(self._client.export_queue())

    def import_queue(self, exported: QueueExport) -> Imported:
        """Queues the jobs of an export, all of them or none."""
        return self._do(self._client.import_queue(exported))


class BlockingSweeps(Blocking):
    """Calls about sweeps; see ``SweepCalls``."""

    def sweep(
        self,
        source: Mapping[str, Any] | str,
        over: Mapping[str, Iterable[JsonValue] | str] | None = None,
        inputs: Mapping[str, JsonValue] | None = None,
        *,
        rows: Iterable[Mapping[str, JsonValue]] = (),
        zip: bool = False,
        targets: Iterable[str] | None = None,
        sheet: bool = True,
        options: JobOptions | None = None,
        key: str | None = None,
    ) -> SweepInfo:
        """Runs a workflow at every combination of some values; see ``AsyncClient.sweep``."""
        call = self._client.sweep(
            source, over, inputs, rows=rows, zip=zip, targets=targets, sheet=sheet, options=options, key=key
        )
        return self._do(call)

    def sweeps(self, *, after: str | None = None, limit: int | None = None) -> SweepPage:
        """A page of the list of sweeps; see ``AsyncClient.sweeps``."""
        return self._do(self._client.sweeps(after=after, limit=limit))

    def sweep_info(self, sweep: str, *, after: int | None = None, limit: int | None = None) -> SweepInfo:
        """A sweep with a part of its points, the first 1000 by default."""
        return self._do(self._client.sweep_info(sweep, after=after, limit=limit))

    def cancel_sweep(self, sweep: str) -> SweepInfo:
        """Stops what has not ended of a sweep."""
        return self._do(self._client.cancel_sweep(sweep))
