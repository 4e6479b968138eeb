"""The queue against a small model of it, in any order of what may happen, crashes of the server included."""

import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, multiple, rule

from nodeflow.protocol.ids import new_id
from nodeflow.protocol.jobs import JobState
from nodeflow.storage.database import events, jobs, retention, settings
from nodeflow.storage.database.records import NewJob
from nodeflow.storage.database.store import Store

ALLOWED = 2
LIMIT = 6
_FAST = Path("/dev/shm")
CLIENTS = st.sampled_from(["ann", "bob"])


@dataclass
class Modelled:
    """What is known of a job."""

    client: str
    key: str | None
    digest: str
    priority: int = 0
    state: JobState = JobState.QUEUED
    attempt: int = 0
    lost: int = 0
    cancelling: bool = False
    finished: float | None = None
    told: list[str] = field(default_factory=lambda: ["queued"])


class QueueMachine(RuleBasedStateMachine):
    """Submits, runs, loses, cancels, drags, pauses, expires and crashes, and knows what must be there after each."""

    jobs = Bundle("jobs")

    @initialize()
    def begin(self) -> None:
        self.work = Path(tempfile.mkdtemp(prefix="nodeflow-queue-", dir=_FAST if _FAST.is_dir() else None))
        self.folder = self.work / "0"
        self.folder.mkdir()
        self.store = Store.open(self.folder / "server.db")
        self.model: dict[str, Modelled] = {}
        self.order: list[str] = []
        self.paused = False
        self.now = 0.0

    def teardown(self) -> None:
        if hasattr(self, "store"):
            self.store.close()
            shutil.rmtree(self.work)

    def write(self, change):
        self.now += 1.0
        return self.store.write_now(lambda c: change(c))

    @rule(target=jobs, client=CLIENTS, key=st.sampled_from([None, "k1", "k2"]), digest=st.sampled_from(["d1", "d2"]))
    def submit(self, client: str, key: str | None, digest: str):
        new = NewJob(id=new_id(), client=client, document=b"{}", created=self.now, key=key, body_digest=digest)
        known = [id for id, one in self.model.items() if key is not None and (one.client, one.key) == (client, key)]
        try:
            added = self.write(lambda c: jobs.add(c, new, limit=LIMIT))
        except jobs.KeyReused as refused:
            self.was_refused(refused.id, known, digest)
            return multiple()
        except jobs.QueueFull:
            assert not known
            assert len(self.order) >= LIMIT  # what was lost is queued again, whatever the limit
            return multiple()
        if known:
            assert added == jobs.Added(known[0], new=False)
            assert self.model[known[0]].digest == digest
            return multiple()
        assert added.id == new.id
        self.model[new.id] = Modelled(client, key, digest)
        self.order.append(new.id)
        return new.id

    @rule(count=st.integers(1, LIMIT))
    def submit_sweep(self, count: int) -> None:
        new = [
            NewJob(id=new_id(), client="ann", document=b"{}", created=self.now, sweep="s", point=point)
            for point in range(count)
        ]
        try:
            self.write(lambda c: jobs.add_many(c, new, limit=LIMIT))
        except jobs.QueueFull:
            assert len(self.order) + count > LIMIT
            return
        for job in new:
            self.model[job.id] = Modelled("ann", None, "")
            self.order.append(job.id)

    @rule()
    def claim_next(self) -> None:
        if self.order and not self.paused:
            self.claim(self.order[0])

    @rule(job=jobs)
    def claim(self, job: str) -> None:
        begun = self.write(lambda c: jobs.begin(c, job, "cpu-0", self.now))
        one = self.model.get(job)
        if one is None or one.state is not JobState.QUEUED:
            assert begun is None
            return
        one.attempt += 1
        one.state = JobState.RUNNING
        one.told.append("attempt")
        self.order.remove(job)
        assert begun is not None
        assert begun.attempt == one.attempt

    @rule(
        job=jobs,
        back=st.integers(0, 1),
        state=st.sampled_from([JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED]),
    )
    def finish(self, job: str, back: int, state: JobState) -> None:
        attempt = self.attempt(job, back)
        moved = self.write(lambda c: jobs.finish(c, job, attempt, jobs.Ending(state), self.now))
        if self.is_running(job, attempt):
            self.over(job, state)
            assert moved is not None
            assert moved.state is state
        else:
            assert moved is None

    @rule(job=jobs, back=st.integers(0, 1))
    def lose(self, job: str, back: int) -> None:
        attempt = self.attempt(job, back)
        moved = self.write(lambda c: jobs.lose(c, job, attempt, "gone", self.now, ALLOWED))
        assert (moved is not None) == self.is_running(job, attempt)
        if moved is not None:
            self.lost(job)
            assert moved.state is self.model[job].state

    @rule(job=jobs)
    def give_back(self, job: str) -> None:
        attempt = self.attempt(job, 0)
        moved = self.write(lambda c: jobs.give_back(c, job, attempt, "stop", self.now))
        assert (moved is not None) == self.is_running(job, attempt)
        if moved is not None:
            self.again(job)

    @rule(job=jobs)
    def cancel(self, job: str) -> None:
        cancelled = self.write(lambda c: jobs.cancel(c, job, self.now))
        one = self.model.get(job)
        if one is None:
            assert cancelled is None
            return
        assert cancelled is not None
        assert cancelled.before is one.state
        if one.state is JobState.QUEUED:
            self.order.remove(job)
            self.over(job, JobState.CANCELLED)
        elif one.state is JobState.RUNNING and not one.cancelling:
            one.cancelling = True
            one.told.append("cancelling")

    @rule(client=st.sampled_from(["ann", None]))
    def clear(self, client: str | None) -> None:
        moved = self.write(lambda c: jobs.clear_queued(c, client, self.now))
        gone = [id for id in self.order if client in (None, self.model[id].client)]
        assert [one.id for one in moved] == gone
        for id in gone:
            self.order.remove(id)
            self.over(id, JobState.CANCELLED)

    @rule(job=jobs, before=jobs)
    def drag(self, job: str, before: str) -> None:
        done = self.write(lambda c: jobs.reorder(c, job, before))
        assert done == (job in self.order and before in self.order)
        if done and job != before:
            self.order.remove(job)
            self.order.insert(self.order.index(before), job)
            self.model[job].priority = self.model[before].priority

    @rule(job=jobs)
    def drag_to_the_end(self, job: str) -> None:
        if self.write(lambda c: jobs.reorder(c, job, "")):
            self.order.remove(job)
            self.order.append(job)

    @rule(job=jobs, priority=st.integers(-2, 2))
    def prioritise(self, job: str, priority: int) -> None:
        assert self.write(lambda c: jobs.prioritise(c, job, priority)) == (job in self.order)
        if job in self.order:
            self.model[job].priority = priority

    @rule(paused=st.booleans())
    def pause(self, paused: bool) -> None:
        self.write(lambda c: settings.pause(c, paused))
        self.paused = paused

    @rule(job=jobs)
    def a_change_that_fails_leaves_no_trace(self, job: str) -> None:
        def fail(c) -> None:
            jobs.begin(c, job, "cpu-0", self.now)
            jobs.cancel(c, job, self.now)
            jobs.clear_queued(c, None, self.now)
            raise ZeroDivisionError

        try:
            self.write(fail)
        except ZeroDivisionError:
            return
        raise AssertionError("the failure was swallowed")

    @rule(job=consumes(jobs))
    def remove(self, job: str) -> None:
        over = job in self.model and self.model[job].state.final
        assert self.write(lambda c: jobs.remove(c, job)) == over
        if over:
            del self.model[job]

    @rule(age=st.integers(0, 5))
    def expire(self, age: int) -> None:
        before = self.now - age
        gone = [id for id, one in self.model.items() if one.finished is not None and one.finished < before]
        assert self.write(lambda c: retention.drop_jobs(c, before)) == len(gone)
        for id in gone:
            del self.model[id]

    @rule()
    def restart(self) -> None:
        """The server is killed, that is, its files stay as they are at this moment, and started again."""
        copy = self.work / str(int(self.folder.name) + 1)
        copy.mkdir()
        for file in self.folder.glob("server.db*"):
            if not file.name.endswith("-shm"):
                shutil.copy(file, copy)
        self.store.close()
        shutil.rmtree(self.folder)
        self.folder = copy
        self.store = Store.open(copy / "server.db")
        moved = self.write(lambda c: jobs.recover(c, self.now, ALLOWED))
        running = [id for id, one in self.model.items() if one.state is JobState.RUNNING]
        assert {one.id for one in moved} == set(running)
        for id in sorted(running, reverse=True):
            self.lost(id)

    @invariant()
    def all_is_as_the_model_says(self) -> None:
        if not hasattr(self, "store"):
            return
        page = self.store.read_now(lambda c: jobs.page(c, client=None, limit=jobs.MOST))
        assert {job.id: (job.state, job.client, job.priority, job.finished) for job in page.jobs} == {
            id: (one.state, one.client, one.priority, one.finished) for id, one in self.model.items()
        }
        assert [job.id for job in self.store.read_now(jobs.queued)] == self.order
        assert self.store.read_now(settings.paused) is self.paused
        for id, one in self.model.items():
            told = self.store.read_now(lambda c, id=id: events.since(c, id, 0))
            assert [event.kind for event in told] == one.told
            assert [event.seq for event in told] == list(range(1, len(told) + 1))
            assert one.told.count("finished") == one.state.final

    def was_refused(self, job: str, known: list[str], digest: str) -> None:
        assert [job] == known
        assert self.model[job].digest != digest

    def attempt(self, job: str, back: int) -> int:
        return self.model[job].attempt - back if job in self.model else 1

    def is_running(self, job: str, attempt: int) -> bool:
        one = self.model.get(job)
        return one is not None and one.state is JobState.RUNNING and one.attempt == attempt

    def over(self, job: str, state: JobState) -> None:
        one = self.model[job]
        one.state = state
        one.finished = self.now
        one.told.append("finished")

    def lost(self, job: str) -> None:
        one = self.model[job]
        one.lost += 1
        if one.lost >= ALLOWED and not one.cancelling:
            self.over(job, JobState.FAILED)
        else:
            self.again(job)

    def again(self, job: str) -> None:
        one = self.model[job]
        if one.cancelling:
            self.over(job, JobState.CANCELLED)
            return
        one.state = JobState.QUEUED
        one.told.append("queued")
        self.order.insert(0, job)
