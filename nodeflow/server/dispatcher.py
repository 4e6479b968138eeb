"""Hands queued jobs to free workers and follows each to its end; every change is on disk before it is told."""

import asyncio
import logging
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from nodeflow.protocol.jobs import JobError, JobInfo, JobState, JobSummary
from nodeflow.server.course import Course, Interrupted
from nodeflow.server.glance import Summary
from nodeflow.server.line import Line, Turn, Waiting
from nodeflow.server.places import places_of
from nodeflow.server.settings import ServerSettings
from nodeflow.server.workers import Workers
from nodeflow.storage.database import jobs
from nodeflow.storage.database.failures import StorageFailed
from nodeflow.storage.database.records import Begun, Ending, Moved, Queued, Work
from nodeflow.storage.home import Home

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from nodeflow.server.hub import Hub
    from nodeflow.storage.database.store import Store

_LOG = logging.getLogger(__name__)

_RETRY_SECONDS: Final = 1.0
"""Pause after the disk has refused something."""
_TELL_SECONDS: Final = 0.1
"""Changes of the queue are told together once in so many seconds."""


@dataclass(frozen=True, slots=True)
class Ended:
    """A job that has come to its end."""

    job: str
    client: str
    state: JobState
    sweep: str = ""


class Dispatcher:
    """Knows the jobs that wait and those that run.

    Attributes:
        line: The jobs that wait.
        courses: The jobs that have a worker.
        ended: Is called for each job that has come to its end.
    """

    def __init__(
        self,
        store: "Store",
        hub: "Hub",
        workers: Workers,
        settings: ServerSettings,
        home: Home,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.line = Line()
        self.courses: dict[str, Course] = {}
        self.ended: Callable[[Ended], None] = _nobody
        self._store = store
        self._hub = hub
        self._workers = workers
        self._settings = settings
        self._home = home
        self._clock = clock
        self._tasks: set[asyncio.Task[None]] = set()
        self._awake = False
        self._paused = False
        self._refused = False
        self._stopping = False
        self._telling = False

    @property
    def paused(self) -> bool:
        """No more jobs begin."""
        return self._paused

    def pause(self, paused: bool) -> None:
        """Begins no more jobs, or goes on."""
        self._paused = paused
        self.changed()

    def changed(self) -> None:
        """The line, or a worker, is not what it was: perhaps a job can begin."""
        if not (self._awake or self._stopping):
            self._awake = True
            asyncio.get_running_loop().call_soon(self._hand_out)
        if not self._telling:
            self._telling = True
            asyncio.get_running_loop().call_later(_TELL_SECONDS, self._tell)

    def enqueue(self, queued: Iterable[Queued]) -> None:
        """Puts jobs into the line, each at its rank."""
        for each in queued:
            self.line.add(Waiting(each.id, each.client, each.priority, each.rank, each.sweep, each.models))
        self.changed()

    def withdraw(self, ended: Ended) -> None:
        """Takes a job out of the line that has come to its end without a worker."""
        self.line.remove(ended.job)
        self.ended(ended)
        self.changed()

    def seen(self, summary: Summary) -> Summary:
        """A job as it is in the database, with its place in the line or where it is."""
        if summary.state is JobState.QUEUED:
            return summary.model_copy(update={"position": self.line.position(summary.id)})
        course = self._course(summary)
        return summary if course is None else course.glance.of_summary(summary)

    def seen_info(self, info: JobInfo) -> JobInfo:
        """``seen``, with what a job that runs has done so far."""
        course = self._course(info)
        return self.seen(info) if course is None else course.glance.of_info(info)

    async def stop(self) -> None:
        """Begins nothing more, has what runs interrupted, and waits until that is on disk."""
        self._stopping = True
        await self._workers.stop()
        while self._tasks:
            await asyncio.gather(*self._tasks)

    def _course(self, summary: JobSummary) -> Course | None:
        return self.courses.get(summary.id) if summary.state is JobState.RUNNING else None

    def _tell(self) -> None:
        self._telling = False
        data = {"queued": len(self.line), "running": len(self.courses), "paused": self._paused}
        self._hub.notify("queue", data)

    def _hand_out(self) -> None:
        self._awake = False
        while not (self._paused or self._refused or self._stopping):
            turn = self.line.take(self._workers.free())
            if turn is None:
                return
            course = Course(turn.job.id, self._workers[turn.worker].engage(turn.job.id))
            self.courses[turn.job.id] = course
            task = asyncio.create_task(self._carry_out(turn, course), name=f"job {turn.job.id}")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _carry_out(self, turn: Turn, course: Course) -> None:
        moved: Moved | None = None
        try:
            begun, work = await self._begin(turn)
            if begun is None or work is None:  # cancelled or deleted between its turn and now
                course.engagement.release()
                return
            course.attempt = begun.attempt
            self._hub.announce(begun.events, work.client)
            found = await self._follow(course, work)
            await self._hub.settle()
            moved = await self._end(course, found)
        except StorageFailed as error:
            course.engagement.release()
            self._wait_for_disk(turn.job, error)
        finally:
            del self.courses[turn.job.id]
            self.changed()
        if moved is not None:
            self._moved(moved, turn.job)

    async def _begin(self, turn: Turn) -> tuple[Begun | None, Work | None]:
        """Both in one change: a job of which nobody knows what there is to do has not begun."""
        id, worker = turn.job.id, turn.worker
        return await self._store.write(lambda c: (jobs.begin(c, id, worker, self._clock()), jobs.work(c, id)))

    async def _follow(self, course: Course, work: Work) -> Ending | Interrupted:
        try:
            return await course.follow(work, places_of(self._home, work.client), self._hub)
        except Exception:  # noqa: BLE001 - a fault of ours ends this job, and no other
            _LOG.exception("a job could not be followed", extra={"job": work.id})
            course.engagement.forsake("the server lost track of its job")
            message = "a fault of the server; its log tells more"
            return Ending(JobState.FAILED, error=JobError(code="server.error", message=message))

    async def _end(self, course: Course, found: Ending | Interrupted) -> Moved | None:
        """Writes down what became of an attempt; as long as the disk refuses that, the end is not there yet."""
        change = self._change(course.job, course.attempt, found)
        while True:
            try:
                return await self._store.write(change)
            except StorageFailed as error:
                _LOG.error("the end of a job waits for the disk: %s", error, extra={"job": course.job})
                if self._stopping:  # the next server finds the attempt as it was left, and counts it as lost
                    return None
                await asyncio.sleep(_RETRY_SECONDS)

    def _change(self, job: str, attempt: int, found: Ending | Interrupted) -> "Callable[[Connection], Moved | None]":
        now, allowed, stopping = self._clock(), self._settings.attempts, self._stopping
        if isinstance(found, Ending):
            return lambda c: jobs.finish(c, job, attempt, found, now)
        if found.lost and not stopping:
            return lambda c: jobs.lose(c, job, attempt, found.reason, now, allowed)
        return lambda c: jobs.give_back(c, job, attempt, found.reason, now)

    def _moved(self, moved: Moved, was: Waiting) -> None:
        """Tells of an attempt's end, and puts the job into the line again where another one is to follow."""
        self._hub.announce(moved.events, moved.client)
        if moved.state.final:
            self.ended(Ended(moved.id, moved.client, moved.state, was.sweep))
        elif moved.state is JobState.QUEUED:
            self.line.add(replace(was, rank=self.line.front))
        self.changed()

    def _wait_for_disk(self, job: Waiting, error: StorageFailed) -> None:
        """The job was not begun: it goes back to where it was, and nothing begins for a moment."""
        _LOG.error("jobs wait for the disk: %s", error, extra={"job": job.id})
        self.line.add(job)
        if not self._refused:
            self._refused = True
            asyncio.get_running_loop().call_later(_RETRY_SECONDS, self._try_again)

    def _try_again(self) -> None:
        self._refused = False
        self.changed()


def _nobody(_: Ended) -> None:
    return None
