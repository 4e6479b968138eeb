"""One attempt at a job: from the worker that takes it to what became of it."""

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from nodeflow.protocol.jobs import JobState
from nodeflow.protocol.work import Done, Happened, Preview, Run
from nodeflow.server.endings import ending_of, overdue
from nodeflow.server.engagement import Engagement, WorkerLost
from nodeflow.server.glance import Glance
from nodeflow.server.places import Places
from nodeflow.storage.database.records import Ending, Work

if TYPE_CHECKING:
    from nodeflow.server.hub import Hub

GRACE_SECONDS: Final = 2.0
"""What a job has to stop in after its deadline, before its worker is ended."""


@dataclass(frozen=True, slots=True)
class Interrupted:
    """An attempt that came to no end by itself.

    Attributes:
        lost: It counts as one that was lost with its worker.
    """

    reason: str
    lost: bool


class Course:
    """An attempt at a job.

    Attributes:
        attempt: Its number; 0 until it has begun.
        glance: What is known of it so far.
        cancelled: Somebody wants it to stop.
    """

    def __init__(self, job: str, engagement: Engagement) -> None:
        self.job = job
        self.engagement = engagement
        self.attempt = 0
        self.glance = Glance()
        self.cancelled = False
        self._given = False
        self._overdue = False

    def cancel(self) -> None:
        """Stops it within one step, or before it is given to its worker."""
        self.cancelled = True
        if self._given:
            self.engagement.cancel()

    async def follow(self, work: Work, places: Places, hub: "Hub") -> Ending | Interrupted:
        """Has it run, and tells of it as it goes; says what became of it, of which nothing is on disk yet."""
        if self.cancelled:
            self.engagement.release()
            return Ending(JobState.CANCELLED)
        deadline = work.options.deadline
        done: Done | None = None
        timer = (
            None if deadline is None else asyncio.get_running_loop().call_later(deadline, self._out_of_time, deadline)
        )
        self._given = True
        try:
            async for message, body in self.engagement.run(_run(work, self.attempt, places), work.document):
                match message:
                    case Happened():
                        await self._tell(places.told(message), work.client, hub)
                    case Preview():
                        hub.preview(work.client, message, body)
                    case Done():
                        done = places.told(message)
        except WorkerLost as lost:
            if self.cancelled or not self._overdue:
                return Interrupted(str(lost), lost.begun)
        finally:
            if timer is not None:
                timer.cancel()
        return self._ending(done, deadline or 0.0)

    def _ending(self, done: Done | None, deadline: float) -> Ending | Interrupted:
        if done is None:
            return overdue(deadline, None)
        if done.report.status != "cancelled":  # what is done is done, also when it was to stop meanwhile
            return ending_of(done)
        if self._overdue and not self.cancelled:
            return overdue(deadline, done)
        return ending_of(done) if self.cancelled else Interrupted("its worker was asked to end", lost=False)

    async def _tell(self, happened: Happened, client: str, hub: "Hub") -> None:
        for event in happened.events:
            self.glance.note(event)
            await hub.publish(self.job, client, event.kind, event.data, event.at)

    def _out_of_time(self, deadline: float) -> None:
        self._overdue = True
        self.engagement.cancel()
        reason = f"the job had not stopped {GRACE_SECONDS:g} s after its deadline of {deadline:g} s"
        asyncio.get_running_loop().call_later(GRACE_SECONDS, self._kill_if_running, reason)

    def _kill_if_running(self, reason: str) -> None:
        if not self.engagement.over:
            self.engagement.kill(reason)


def _run(work: Work, attempt: int, places: Places) -> Run:
    options = work.options
    return Run(
        job=work.id,
        attempt=attempt,
        targets=work.targets,
        strict=options.strict,
        previews=options.previews,
        refresh=options.refresh,
        embed=options.embed,
        label=options.label,
        input_dirs=tuple(map(str, places.inputs)),
        output_dir=str(places.output),
    )
