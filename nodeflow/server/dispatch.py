"""The jobs of a server: taken in, changed, asked for; what runs them is the dispatcher."""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, TypeVar

from pydantic import JsonValue

from nodeflow.protocol.errors import Refusal
from nodeflow.protocol.ids import new_id
from nodeflow.protocol.jobs import JobChange, JobInfo, JobPage, JobState, QueueInfo
from nodeflow.server.dispatcher import Dispatcher, Ended
from nodeflow.server.line import Waiting
from nodeflow.server.questions import Questions
from nodeflow.server.refusing import unknown_job, written
from nodeflow.server.settings import ServerSettings
from nodeflow.server.worker import Worker
from nodeflow.server.workers import Workers
from nodeflow.storage.database import jobs, sweeps
from nodeflow.storage.database import settings as kept
from nodeflow.storage.database.records import Added, NewJob, Work
from nodeflow.storage.home import Home

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from nodeflow.server.hub import Hub
    from nodeflow.storage.database.store import Store

T = TypeVar("T")


class Jobs:
    """The only one that changes jobs: the service behind the routes.

    ``client`` is None for whoever may see all jobs; any other client is told of its own only.

    Attributes:
        questions: What workers are asked beside jobs.
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
        self.questions = Questions(workers, home)
        self._store = store
        self._hub = hub
        self._workers = workers
        self._settings = settings
        self._clock = clock
        self._dispatcher = Dispatcher(store, hub, workers, settings, home, clock)
        self._dispatcher.ended = self._ended
        self._waiters: dict[str, set[asyncio.Future[None]]] = {}
        self._listeners: list[Callable[[Ended], None]] = []
        self._stopping = False

    def listen(self, listener: Callable[[Ended], None]) -> None:
        """Calls ``listener`` for each job that has come to its end; it must be quick."""
        self._listeners.append(listener)

    async def start(self) -> None:
        """Takes up what the last server left, starts workers, begins to hand out jobs."""
        now, allowed = self._clock(), self._settings.attempts
        moved = await self._store.write(lambda c: jobs.recover(c, now, allowed))
        for each in moved:
            self._hub.announce(each.events, each.client)
        paused, queued = await self._store.read(lambda c: (kept.paused(c), jobs.queued(c)))
        self._dispatcher.pause(paused or self._settings.start_paused)
        self._dispatcher.enqueue(queued)
        self._workers.listener = self._worker_changed
        await self._workers.start()

    async def stop(self) -> None:
        """Hands out no more; what runs is interrupted within one step and goes back into the queue."""
        self._stopping = True
        await self._dispatcher.stop()

    async def submit(self, new: NewJob) -> Added:
        """Takes a job in; it is on disk when this returns.

        Raises:
            Refusal: queue.full, key.reused, server.stopping, server.storage.
        """
        limit = self._settings.limits.queue
        added = await self._write(lambda c: jobs.add(c, new, limit=limit))
        self._take_in([new], [added])
        return added

    async def submit_all(self, new: Sequence[NewJob]) -> Sequence[Added]:
        """Takes several jobs in, all of them or none; their keys are not looked up.

        Raises:
            Refusal: queue.full, server.stopping, server.storage.
        """
        limit = self._settings.limits.queue
        added = await self._write(lambda c: jobs.add_many(c, new, limit=limit))
        self._take_in(new, added)
        return added

    async def submit_sweep(self, sweep: sweeps.Sweep, new: Sequence[NewJob]) -> Added:
        """Takes a sweep in with all its jobs; all of it is on disk when this returns, or nothing.

        Returns:
            The id of the sweep; that of an earlier one where its key and its body had made it.

        Raises:
            Refusal: queue.full, key.reused, server.stopping, server.storage.
        """
        limit = self._settings.limits.queue

        def add(connection: "Connection") -> tuple[str | None, Sequence[Added]]:
            known = sweeps.known(connection, sweep.client, sweep.key, sweep.body_digest)
            if known is not None:
                return known, ()
            sweeps.add(connection, sweep)
            return None, jobs.add_many(connection, new, limit=limit)

        known, added = await self._write(add)
        if known is not None:
            return Added(known, new=False)
        self._take_in(new, added)
        return Added(sweep.id, new=True)

    async def cancel(self, id: str, client: str | None = None) -> JobInfo:
        """Cancels one job: at once where it is queued, within one step where it runs.

        Raises:
            Refusal: job.unknown, job.final.
        """
        info = await self.info(id, client)
        now = self._clock()
        cancelled = await self._write(lambda c: jobs.cancel(c, id, now))
        if cancelled is None:
            raise unknown_job(id)
        if cancelled.before.final:
            raise Refusal("job.final", f"job {id} has ended already: {cancelled.before.value}")
        self._hub.announce(cancelled.events, info.client)
        if cancelled.before is JobState.QUEUED:
            self._dispatcher.withdraw(Ended(id, info.client, JobState.CANCELLED, info.sweep))
        elif id in self._dispatcher.courses:
            self._dispatcher.courses[id].cancel()
        return await self.info(id, client)

    async def retry(self, id: str, client: str | None = None) -> Added:
        """Makes a new job of one that has ended.

        Raises:
            Refusal: job.unknown, job.not-final, queue.full, server.stopping, server.storage.
        """
        work = await self._work(id, client)
        if not work.state.final:
            raise Refusal("job.not-final", f"job {id} is {work.state.value}", hint="wait for its end, or cancel it")
        return await self.submit(work.again(new_id(), self._clock()))

    async def remove(self, id: str, client: str | None = None) -> None:
        """Forgets a job that has ended; its files stay.

        Raises:
            Refusal: job.unknown, job.not-final.
        """
        info = await self.info(id, client)
        if not await self._write(lambda c: jobs.remove(c, id)):
            raise Refusal("job.not-final", f"job {id} is {info.state.value}", hint="cancel it first")

    async def change(self, id: str, change: JobChange, client: str | None = None) -> JobInfo:
        """Changes priority or place of a queued job.

        Raises:
            Refusal: job.unknown, job.not-queued.
        """
        await self.info(id, client)
        before, priority = change.before, change.priority
        if before:
            await self.info(before, client)

        def carry_out(connection: "Connection") -> bool:
            return (before is None or jobs.reorder(connection, id, before)) and (
                priority is None or jobs.prioritise(connection, id, priority)
            )

        if not await self._write(carry_out):
            what = f"job {id}" if not before else f"job {id}, or {before} in front of which it was to go,"
            raise Refusal("job.not-queued", f"{what} is no longer queued")
        line = self._dispatcher.line
        if before is not None and not line.move(id, before):
            queued = await self._store.read(jobs.queued)
            self._dispatcher.enqueue(each for each in queued if each.id in line)
        if priority is not None:
            line.prioritise(id, priority)
        self._dispatcher.changed()
        return await self.info(id, client)

    async def pause(self) -> None:
        """Begins no more jobs until ``resume``, also after a restart."""
        await self._pause(True)

    async def resume(self) -> None:
        """Goes on."""
        await self._pause(False)

    async def clear(self, client: str | None = None) -> int:
        """Cancels all queued jobs; how many those were."""
        now = self._clock()
        moved = await self._write(lambda c: jobs.clear_queued(c, client, now))
        for each in moved:
            self._hub.announce(each.events, each.client)
            waiting = self._dispatcher.line.get(each.id)
            self._dispatcher.withdraw(Ended(each.id, each.client, each.state, waiting.sweep if waiting else ""))
        return len(moved)

    async def info(self, id: str, client: str | None = None) -> JobInfo:
        """Everything about a job.

        Raises:
            Refusal: job.unknown.
        """
        info = await self._store.read(lambda c: jobs.info(c, id, client))
        if info is None:
            raise unknown_job(id)
        return self._dispatcher.seen_info(info)

    async def page(
        self,
        *,
        client: str | None = None,
        states: Sequence[JobState] = (),
        workflow: str = "",
        sweep: str = "",
        metadata: Mapping[str, JsonValue] | None = None,
        after: str | None = None,
        limit: int = 100,
    ) -> JobPage:
        """A part of the list of jobs, latest first."""
        page = await self._store.read(
            lambda c: jobs.page(
                c,
                client=client,
                states=states,
                workflow=workflow,
                sweep=sweep,
                metadata=metadata,
                after=after,
                limit=limit,
            )
        )
        return page.model_copy(update={"jobs": tuple([self._dispatcher.seen(each) for each in page.jobs])})

    async def queue(self) -> QueueInfo:
        """The queue as a whole."""
        return QueueInfo(
            paused=self._dispatcher.paused,
            queued=len(self._dispatcher.line),
            running=len(self._dispatcher.courses),
            limit=self._settings.limits.queue,
            workers=self._workers.infos,
        )

    async def wait(self, id: str, seconds: float, client: str | None = None) -> JobInfo:
        """The job once it has ended, or as it is when the time is up.

        Raises:
            Refusal: job.unknown.
        """
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        waiters = self._waiters.setdefault(id, set())
        waiters.add(waiter)
        try:
            info = await self.info(id, client)
            if info.state.final:
                return info
            with suppress(TimeoutError):
                await asyncio.wait_for(waiter, seconds)
            return await self.info(id, client)
        finally:
            waiters.discard(waiter)
            if not waiters and self._waiters.get(id) is waiters:
                del self._waiters[id]

    def _take_in(self, new: Sequence[NewJob], added: Sequence[Added]) -> None:
        """Puts jobs that are on disk into the line; not those that an earlier submission had made."""
        line = self._dispatcher.line
        for job, one in zip(new, added, strict=True):
            if one.new:
                line.add(Waiting(job.id, job.client, job.options.priority, line.back, job.sweep, job.models))
                self._hub.announce(one.events, job.client)
        self._dispatcher.changed()

    def _ended(self, ended: Ended) -> None:
        for waiter in self._waiters.pop(ended.job, ()):
            if not waiter.done():
                waiter.set_result(None)
        for listener in self._listeners:
            listener(ended)

    def _worker_changed(self, worker: Worker) -> None:
        self._hub.notify("worker", worker.info.model_dump(mode="json"), key=worker.name)
        self._dispatcher.changed()

    async def _pause(self, paused: bool) -> None:
        await self._write(lambda c: kept.pause(c, paused))
        self._dispatcher.pause(paused)

    async def _work(self, id: str, client: str | None) -> Work:
        work = await self._store.read(lambda c: jobs.work(c, id))
        if work is None or client not in (None, work.client):
            raise unknown_job(id)
        return work

    async def _write(self, change: "Callable[[Connection], T]") -> T:
        """A change that was asked for by a client; what forbids it is a refusal."""
        if self._stopping:
            raise Refusal("server.stopping", "the server stops", hint="try again when it is back")
        return await written(self._store, change)
