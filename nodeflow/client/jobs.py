"""Jobs and the queue, as a client asks for them."""

import asyncio
from collections.abc import AsyncGenerator, Iterable, Mapping
from typing import Any, Final
from urllib.parse import quote
from uuid import uuid4

from pydantic import JsonValue

from nodeflow.client.calls import Calls
from nodeflow.client.events import follow
from nodeflow.client.transport import Ask
from nodeflow.protocol.events import JobEvent
from nodeflow.protocol.jobreport import JobReport
from nodeflow.protocol.jobs import Cleared, JobChange, JobInfo, JobOptions, JobPage, JobRequest, JobState, QueueInfo
from nodeflow.protocol.queue import Imported, QueueExport

_TURN: Final = 30.0
"""Seconds for which one request waits for the end of a job."""
_SILENCE: Final = 30.0


class JobCalls(Calls):
    """Calls about jobs and the queue."""

    async def submit(
        self,
        document: Mapping[str, Any],
        inputs: Mapping[str, JsonValue] | None = None,
        *,
        targets: Iterable[str] | None = None,
        options: JobOptions | None = None,
        key: str | None = None,
    ) -> JobInfo:
        """Puts a job into the queue; when this returns, the server has it on disk.

        Args:
            document: The workflow, as in its file.
            inputs: Values by name of its interface or by ``node.input``; texts are read by the declared type.
            targets: What to run up to; everything by default.
            options: Priority, deadline, webhook and the like.
            key: The same key with the same request is the same job. One is made where none is given, so that a request
                that has to be sent twice makes one job.

        Raises:
            RefusedDocument: With every problem of the document.
            RefusedForNow: The queue is full.
        """
        given = {} if options is None else options.model_dump()
        request = JobRequest(
            document=document,
            inputs=inputs or {},
            targets=None if targets is None else tuple(targets),
            key=key or uuid4().hex,
            **given,
        )
        return await self._transport.ask(Ask("POST", "/api/v1/jobs", body=request, repeatable=True), JobInfo)

    async def info(self, job: str) -> JobInfo:
        """Everything about a job."""
        return await self._transport.ask(_ask("GET", job, repeatable=True), JobInfo)

    async def report(self, job: str) -> JobReport:
        """How a job went, as ``nodeflow run --json`` tells it, and the files that it wrote."""
        return await self._transport.ask(_ask("GET", job, "/report", repeatable=True), JobReport)

    async def jobs(
        self,
        *,
        states: Iterable[JobState] = (),
        workflow: str | None = None,
        sweep: str | None = None,
        after: str | None = None,
        limit: int | None = None,
    ) -> JobPage:
        """A page of the list of jobs, the newest first; ``next`` of it is the ``after`` of the following one."""
        query = {
            "state": ",".join(states) or None,
            "workflow": workflow,
            "sweep": sweep,
            "after": after,
            "limit": limit,
        }
        return await self._transport.ask(Ask("GET", "/api/v1/jobs", query, repeatable=True), JobPage)

    async def events(self, job: str, after: int = 0) -> AsyncGenerator[JobEvent]:
        """What happens to a job, from the first event or behind number ``after``, up to ``finished``.

        Connections may break and the server may be restarted meanwhile: every event comes exactly once.

        Raises:
            Unreachable: The server went away and did not come back in time.
        """
        async for event in follow(self._transport, quote(job, safe=""), after, self._patience):
            yield event

    async def wait(self, job: str, seconds: float | None = None) -> JobInfo:
        """The job, once it has ended, or as it is when the time is up.

        Args:
            job: Its id.
            seconds: How long to wait; for ever by default.
        """
        loop = asyncio.get_running_loop()
        end = None if seconds is None else loop.time() + seconds
        while True:
            left = _TURN if end is None else max(0.0, min(_TURN, end - loop.time()))
            path = f"/api/v1/jobs/{quote(job, safe='')}"
            ask = Ask("GET", path, {"wait": left}, repeatable=True, silence=left + _SILENCE)
            info = await self._transport.ask(ask, JobInfo)
            if info.state.final or (end is not None and loop.time() >= end):
                return info

    async def cancel(self, job: str) -> JobInfo:
        """Stops a job within one step, or takes it out of the queue."""
        return await self._transport.ask(_ask("POST", job, "/cancel", repeatable=True), JobInfo)

    async def retry(self, job: str) -> JobInfo:
        """Puts a job that has ended into the queue once more, as a new one with the same values."""
        return await self._transport.ask(_ask("POST", job, "/retry"), JobInfo)

    async def delete(self, job: str) -> None:
        """Forgets a job that has ended; its files stay."""
        await self._transport.do(_ask("DELETE", job, repeatable=True))

    async def change(self, job: str, change: JobChange) -> JobInfo:
        """Gives a queued job another priority or place."""
        return await self._transport.ask(_ask("PATCH", job, body=change, repeatable=True), JobInfo)

    async def queue(self) -> QueueInfo:
        """The queue and the workers."""
        return await self._transport.ask(Ask("GET", "/api/v1/queue", repeatable=True), QueueInfo)

    async def pause(self) -> QueueInfo:
        """Starts no further job, also not after a restart; those that run go on."""
        return await self._transport.ask(Ask("POST", "/api/v1/queue/pause", repeatable=True), QueueInfo)

    async def resume(self) -> QueueInfo:
        """Starts jobs again."""
        return await self._transport.ask(Ask("POST", "/api/v1/queue/resume", repeatable=True), QueueInfo)

    async def clear(self) -> Cleared:
        """Cancels the queued jobs of this client; those of all clients for an admin."""
        return await self._transport.ask(Ask("POST", "/api/v1/queue/clear", repeatable=True), Cleared)

    async def export_queue(self) -> QueueExport:
        """All queued jobs with their documents, for another server; they stay in this one's queue, too."""
        return await self._transport.ask(Ask("GET", "/api/v1/queue/export", repeatable=True), QueueExport)

    async def import_queue(self, exported: QueueExport) -> Imported:
        """Queues the jobs of an export, all of them or none."""
        return await self._transport.ask(Ask("POST", "/api/v1/queue/import", body=exported), Imported)


def _ask(method: str, job: str, rest: str = "", *, body: object = None, repeatable: bool = False) -> Ask:
    return Ask(method, f"/api/v1/jobs/{quote(job, safe='')}{rest}", body=body, repeatable=repeatable)
