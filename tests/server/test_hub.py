"""Events are on disk before anybody hears of them, and every listener hears all of them once, in order."""

import asyncio
import random
import resource
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pytest

from nodeflow.protocol.events import JobEvent
from nodeflow.protocol.jobs import JobState
from nodeflow.protocol.work import Preview
from nodeflow.server.hub import Hub
from nodeflow.server.news import Notice, Picture, Told
from nodeflow.server.recent import Recent
from nodeflow.server.subscription import Subscription
from nodeflow.storage.database import events, jobs
from nodeflow.storage.database.store import Store
from tests.server.watching import ended, heard, hub_at, started, steps


def test_a_listener_hears_what_was_and_what_comes_without_gap_or_repeat(tmp_path: Path) -> None:
    async def live() -> None:
        async with hub_at(tmp_path) as (hub, store):
            job = await started(hub, store)
            await steps(hub, job, 20)
            await hub.settle()
            with hub.subscribe("ann", job=job) as subscription:
                first = await heard(subscription, until=22)
                await steps(hub, job, 30)
                await ended(hub, store, job)
                rest = await heard(subscription)
            assert [event.seq for event in (*first, *rest)] == list(range(1, 54))
            assert rest[-1].data == {"state": "succeeded"}

    asyncio.run(live())


def test_what_happened_while_nobody_listened_is_told_to_who_comes_back(tmp_path: Path) -> None:
    async def live() -> None:
        async with hub_at(tmp_path) as (hub, store):
            job = await started(hub, store)
            with hub.subscribe("ann", job=job) as subscription:
                await steps(hub, job, 20)
                await heard(subscription, until=22)
            await steps(hub, job, 3)
            await ended(hub, store, job)
            with hub.subscribe("ann", job=job, after=20) as subscription:
                assert [event.seq for event in await heard(subscription)] == [21, 22, 23, 24, 25, 26]

    asyncio.run(live())


def test_nobody_hears_of_an_event_that_is_not_on_disk(tmp_path: Path) -> None:
    async def live() -> None:
        async with hub_at(tmp_path) as (hub, store):
            job = await started(hub, store)
            seen: list[tuple[int, int]] = []
            hub.listen(lambda event: seen.append((event.seq, store.read_now(lambda c: events.last_seq(c, job)))))
            await steps(hub, job, 50)
            await hub.settle()
            assert len(seen) == 50
            assert all(seq <= on_disk for seq, on_disk in seen)

    asyncio.run(live())


def test_finished_is_the_last_event_whatever_a_dying_worker_still_says(tmp_path: Path) -> None:
    async def live() -> None:
        async with hub_at(tmp_path) as (hub, store):
            job = await started(hub, store)
            await steps(hub, job, 3)
            await ended(hub, store, job, JobState.FAILED)
            await steps(hub, job, 3)
            await hub.settle()
            told = await store.read(lambda c: events.since(c, job, 0))
            assert [event.kind for event in told][-1] == "finished"

    asyncio.run(live())


def test_events_of_a_job_that_was_deleted_do_not_harm_those_of_others(tmp_path: Path) -> None:
    async def live() -> None:
        async with hub_at(tmp_path) as (hub, store):
            gone, stays = await started(hub, store), await started(hub, store)
            await ended(hub, store, gone)
            await store.write(lambda c: jobs.remove(c, gone))
            await hub.publish(gone, "ann", "warning", {"node": "", "message": "late"})
            await hub.publish(stays, "ann", "warning", {"node": "", "message": "kept"})
            await hub.settle()
            told = await store.read(lambda c: events.since(c, stays, 2))
            assert [event.data["message"] for event in told] == ["kept"]

    asyncio.run(live())


def test_a_listener_who_falls_behind_reads_from_disk_what_the_others_got_from_memory(tmp_path: Path) -> None:
    async def live() -> None:
        async with hub_at(tmp_path) as (hub, store):
            job = await started(hub, store)
            with hub.subscribe("ann", job=job) as slow, hub.subscribe("ann", job=job) as quick:
                for _ in range(6):
                    await steps(hub, job, 1000)
                    await hub.settle()
                    await heard(quick, until=1000)
                await ended(hub, store, job)
                assert [event.seq for event in await heard(slow)] == list(range(1, 6004))

    asyncio.run(live())


def test_events_that_are_announced_out_of_order_are_told_in_order(tmp_path: Path) -> None:
    async def live() -> None:
        async with hub_at(tmp_path) as (hub, store):
            job = await started(hub, store)
            with hub.subscribe("ann", job=job) as subscription:
                await heard(subscription, until=2)
                at = 4.0
                third = await store.write(lambda c: events.append(c, job, [("warning", {}, at)]))
                fourth = await store.write(lambda c: events.append(c, job, [("cancelling", {}, at)]))
                hub.announce(fourth, "ann")
                hub.announce(third, "ann")
                assert [event.seq for event in await heard(subscription, until=2)] == [3, 4]
                fifth = await store.write(lambda c: events.append(c, job, [("warning", {}, at)]))
                hub.announce(fifth, "ann")
                assert [event.seq for event in await heard(subscription, until=1)] == [5]

    asyncio.run(live())


def test_a_client_hears_of_its_own_jobs_and_an_admin_of_all(tmp_path: Path) -> None:
    async def live() -> None:
        async with hub_at(tmp_path) as (hub, store):
            with hub.subscribe("ann", everything=True) as ann, hub.subscribe(None, everything=True) as admin:
                hers, his = await started(hub, store, "ann"), await started(hub, store, "bob")
                hub.notify("queue", {"queued": 2})
                hub.notify("queue", {"client": "bob"}, client="bob", key="bob")
                news = [*await ann.take(1.0)]
                assert {each.event.job for each in news if isinstance(each, Told)} == {hers}
                assert [each.data for each in news if isinstance(each, Notice)] == [{"queued": 2}]
                news = [*await admin.take(1.0)]
                assert {each.event.job for each in news if isinstance(each, Told)} == {hers, his}
                assert len([each for each in news if isinstance(each, Notice)]) == 2

    asyncio.run(live())


def test_of_many_pictures_and_notices_who_is_slow_gets_the_latest(tmp_path: Path) -> None:
    async def live() -> None:
        async with hub_at(tmp_path) as (hub, store):
            job = await started(hub, store)
            subscription = hub.subscribe("ann", job=job, everything=True)
            plain = hub.subscribe("ann", job=job, pictures=False)
            for step in range(1, 101):
                hub.preview("ann", Preview(job=job, node=f"n{step % 20}", step=step), b"picture")
                hub.notify("memory", {"bytes": step}, key="cpu-0")
            news = await subscription.take(1.0)
            assert [each.head.step for each in news if isinstance(each, Picture)] == list(range(93, 101))
            assert [each.data for each in news if isinstance(each, Notice)] == [{"bytes": 100}]
            assert subscription.dropped == 92
            assert not [each for each in await plain.take(1.0) if isinstance(each, Picture)]

    asyncio.run(live())


def test_a_watcher_of_a_thousand_jobs_hears_each_of_them_to_its_end(tmp_path: Path) -> None:
    async def live() -> None:
        async with hub_at(tmp_path) as (hub, store):
            with hub.subscribe(None, everything=True) as watcher:
                names = await asyncio.gather(*(started(hub, store) for _ in range(1000)))
                for name in names:
                    await steps(hub, name, 3)
                await hub.settle()
                await asyncio.gather(*(ended(hub, store, name) for name in names))
                found = await heard(watcher, until=6000)
            of_job: dict[str, list[int]] = {}
            for event in found:
                of_job.setdefault(event.job, []).append(event.seq)
            assert set(of_job) == set(names)
            assert all(seqs == [1, 2, 3, 4, 5, 6] for seqs in of_job.values())
            assert watcher.following == 0

    asyncio.run(live())


def test_a_watcher_with_far_too_much_waiting_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nodeflow.server.subscription.MOST_JOBS", 10)

    async def live() -> None:
        async with hub_at(tmp_path) as (hub, store):
            watcher = hub.subscribe(None, everything=True)
            for _ in range(11):
                await started(hub, store)
            assert watcher.closed
            assert watcher.overrun
            assert await watcher.take(1.0) == ()
            assert hub.listening == 0

    asyncio.run(live())


def test_listeners_who_never_take_anything_hold_no_events(tmp_path: Path) -> None:
    async def live() -> None:
        async with hub_at(tmp_path) as (hub, store):
            job = await started(hub, store)
            stalled = [hub.subscribe("ann", job=job) for _ in range(100)]
            await steps(hub, job, 5000)
            await hub.settle()
            assert all(len(each._news) <= 1 for each in stalled)
            assert len(hub._recent) <= 4096

    asyncio.run(live())


async def take_up_to(subscription: Subscription, after: dict[str, int], last: int) -> None:
    """Takes what comes until each job has come to ``last``: what was heard may be repeated, nothing is left out."""
    while min(after.values()) < last:
        for told in await subscription.take(0.2):
            assert isinstance(told, Told)
            assert told.event.seq <= after[told.event.job] + 1
            after[told.event.job] = max(after[told.event.job], told.event.seq)


def test_whoever_listens_may_change_what_it_follows_at_any_moment(tmp_path: Path) -> None:
    async def live() -> None:
        async with hub_at(tmp_path) as (hub, store):
            chance = random.Random(5)
            after = {await started(hub, store): 0 for _ in range(5)}
            subscription = hub.subscribe("ann")
            taking = asyncio.create_task(take_up_to(subscription, after, 42))
            for _ in range(40):
                for name in after:
                    await steps(hub, name, 1)
                    other = chance.choice([*after])
                    subscription.unfollow(other)
                    subscription.follow(other, after[other])
                    await asyncio.sleep(0)
                await asyncio.sleep(0.001)
            for name, seq in after.items():
                subscription.follow(name, seq)
            await taking

    asyncio.run(live())


def test_an_end_of_the_hub_ends_those_who_wait(tmp_path: Path) -> None:
    async def live() -> None:
        async with hub_at(tmp_path) as (hub, store):
            job = await started(hub, store)
            subscription = hub.subscribe("ann", job=job, after=2, who="ann")
            waiting = asyncio.create_task(subscription.take(60.0))
            await asyncio.sleep(0.01)
            hub.dismiss("bob")
            assert not waiting.done()
            hub.dismiss("ann")
            assert await waiting == ()

    asyncio.run(live())


def test_what_is_remembered_of_a_job_has_no_gaps_and_no_more_than_fits() -> None:
    def told(job: str, seq: int) -> Told:
        return Told.of(JobEvent(job=job * 26, seq=seq, at=0.0, kind="warning"))

    recent = Recent(most=4)
    for seq in (1, 2, 3):
        recent.add(told("a", seq))
    assert [each.event.seq for each in recent.after("a" * 26, 1, 10) or ()] == [2, 3]
    assert [each.event.seq for each in recent.after("a" * 26, 0, 2) or ()] == [1, 2]
    assert recent.after("b" * 26, 0, 10) is None
    recent.add(told("a", 6))
    assert recent.after("a" * 26, 3, 10) is None
    assert [each.event.seq for each in recent.after("a" * 26, 5, 10) or ()] == [6]
    for seq in range(1, 5):
        recent.add(told("b", seq))
    assert len(recent) == 4
    assert recent.after("a" * 26, 6, 10) is None
    assert len(recent.after("b" * 26, 0, 10) or ()) == 4
    small = Recent(most_bytes=3 * len(told("a", 1).line))
    for seq in range(1, 6):
        small.add(told("a", seq))
    assert len(small) == 3


def test_an_event_is_never_very_long(tmp_path: Path) -> None:
    async def live() -> None:
        async with hub_at(tmp_path) as (hub, store):
            job = await started(hub, store)
            await hub.publish(job, "ann", "shown", {"node": "n", "value": "x" * 60_000})
            await hub.publish(job, "ann", "shown", {"node": "n", "value": "x" * 10_000_000, "step": 3})
            await hub.publish(job, "ann", "shown", {"node": "n", "value": ["x"] * 100_000})
            await hub.settle()
            whole, cut, left_out = await store.read(lambda c: events.since(c, job, 2))
            assert whole.data == {"node": "n", "value": "x" * 60_000}
            assert cut.data == {"node": "n", "value": "x" * 2000 + "…", "step": 3, "cut": True}
            assert left_out.data == {"node": "n", "value": None, "cut": True}

    asyncio.run(live())


@contextmanager
def full_disk() -> Iterator[None]:
    """No file can grow."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_events_wait_for_a_disk_that_is_full_and_are_told_once_it_has_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nodeflow.server.hub.RETRIES", (0.02,) * 100)

    async def live() -> None:
        async with hub_at(tmp_path) as (hub, store):
            job = await started(hub, store)
            with hub.subscribe("ann", job=job, after=2) as subscription:
                with full_disk():
                    await steps(hub, job, 3)
                    assert await subscription.take(0.1) == []
                await hub.settle()
                assert [event.seq for event in await heard(subscription, until=3)] == [3, 4, 5]

    asyncio.run(live())


def test_events_that_no_disk_took_have_not_happened_and_leave_no_gap(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("nodeflow.server.hub.RETRIES", (0.01,))

    async def live() -> None:
        async with hub_at(tmp_path) as (hub, store):
            job = await started(hub, store)
            with hub.subscribe("ann", job=job, after=2) as subscription:
                with full_disk():
                    await steps(hub, job, 3)
                    await hub.settle()
                await steps(hub, job, 2)
                await ended(hub, store, job)
                told = await heard(subscription)
            assert [(event.seq, event.kind) for event in told] == [
                (3, "node.progress"),
                (4, "node.progress"),
                (5, "finished"),
            ]

    asyncio.run(live())
    assert "3 events are lost" in caplog.text


def test_a_worker_that_tells_more_than_the_disk_takes_has_to_wait(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nodeflow.server.hub.MOST_WAITING", 10)

    async def live() -> None:
        async with hub_at(tmp_path) as (hub, store):
            job = await started(hub, store)
            for step in range(100):
                await hub.publish(job, "ann", "node.progress", {"step": step}, at=float(step))
                assert len(hub._batch.events) < 10
            await hub.settle()
            told = await store.read(lambda c: events.since(c, job, 2))
            assert [event.data["step"] for event in told] == [event.at for event in told] == list(range(100))

    asyncio.run(live())


class Visitor:
    """Somebody who listens now and then, and remembers up to where."""

    def __init__(self, hub: Hub, names: Sequence[str]) -> None:
        self.hub = hub
        self.after = dict.fromkeys(names, 0)
        self.heard: dict[str, list[int]] = {name: [] for name in names}
        self.subscription: Subscription | None = None

    def come(self) -> None:
        if self.subscription is None:
            self.subscription = self.hub.subscribe("ann")
            for name, seq in self.after.items():
                self.subscription.follow(name, seq)

    def go(self) -> None:
        if self.subscription is not None:
            self.subscription.close()
            self.subscription = None

    async def take(self) -> None:
        if self.subscription is not None:
            for told in await self.subscription.take(0.0):
                assert isinstance(told, Told)
                self.heard[told.event.job].append(told.event.seq)
                self.after[told.event.job] = told.event.seq


@dataclass
class Doings:
    """What may happen around a hub, in any order."""

    hub: Hub
    store: Store
    names: Sequence[str]
    chance: random.Random
    visitors: list[Visitor] = field(default_factory=list)
    written: list[Sequence[JobEvent]] = field(default_factory=list)

    @property
    def visitor(self) -> Visitor:
        return self.chance.choice(self.visitors)

    async def come(self) -> None:
        self.visitor.come()

    async def go(self) -> None:
        self.visitor.go()

    async def take(self) -> None:
        await self.visitor.take()

    async def write(self) -> None:
        """Something is on disk a while before it is announced."""
        name = self.chance.choice(self.names)
        self.written.append(await self.store.write(lambda c: events.append(c, name, [("warning", {}, 4.0)])))

    async def announce(self) -> None:
        if self.written:
            self.hub.announce(self.written.pop(self.chance.randrange(len(self.written))), "ann")

    async def work(self) -> None:
        await steps(self.hub, self.chance.choice(self.names), self.chance.randrange(1, 5))

    async def settle(self) -> None:
        await self.hub.settle()

    async def end(self) -> None:
        while self.written:
            await self.announce()
        for name in self.names:
            await ended(self.hub, self.store, name)


@pytest.mark.parametrize("seed", range(8))
def test_whoever_comes_and_goes_hears_everything_once_and_in_order(seed: int, tmp_path: Path) -> None:
    async def live() -> None:
        chance = random.Random(seed)
        async with hub_at(tmp_path) as (hub, store):
            hub._recent = Recent(most=chance.choice((3, 20, 4096)))
            doings = Doings(hub, store, [await started(hub, store) for _ in range(3)], chance)
            doings.visitors += [Visitor(hub, doings.names) for _ in range(3)]
            for _ in range(200):
                name = chance.choice(("come", "go", "take", "take", "write", "announce", "work", "settle"))
                await getattr(doings, name)()
            await doings.end()
            last = {name: await store.read(partial(events.last_seq, job=name)) for name in doings.names}
            for visitor in doings.visitors:
                visitor.come()
                async with asyncio.timeout(20.0):
                    while visitor.after != last:
                        await visitor.take()
                assert visitor.heard == {name: list(range(1, seq + 1)) for name, seq in last.items()}

    asyncio.run(live())


def test_what_was_told_before_somebody_came_is_read_from_disk_whatever_memory_has(tmp_path: Path) -> None:
    async def live() -> None:
        async with hub_at(tmp_path) as (hub, store):
            job = await started(hub, store)
            third = await store.write(lambda c: events.append(c, job, [("warning", {}, 4.0)]))
            fourth = await store.write(lambda c: events.append(c, job, [("warning", {}, 4.0)]))
            hub.announce(fourth, "ann")
            with hub.subscribe("ann", job=job, after=2) as first:
                hub.announce(third, "ann")
                assert [event.seq for event in await heard(first, until=2)] == [3, 4]
                with hub.subscribe("ann", job=job, after=2) as second:
                    assert [event.seq for event in await heard(second, until=2)] == [3, 4]

    asyncio.run(live())
