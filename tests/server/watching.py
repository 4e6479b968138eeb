"""Jobs in a real store, and what a listener of the hub is given."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from nodeflow.protocol.events import JobEvent
from nodeflow.protocol.ids import new_id
from nodeflow.protocol.jobs import JobOptions, JobState
from nodeflow.server.hub import Hub, Subscription
from nodeflow.server.news import Told
from nodeflow.storage.database import jobs
from nodeflow.storage.database.store import Store


@asynccontextmanager
async def hub_at(folder: Path) -> AsyncIterator[tuple[Hub, Store]]:
    """A hub over a new store; both are closed in the end."""
    store = Store.open(folder / "server.db")
    hub = Hub(store)
    try:
        yield hub, store
    finally:
        await hub.aclose()
        await store.aclose()


async def started(hub: Hub, store: Store, client: str = "ann", **options: object) -> str:
    """A job that runs, its first two events told."""
    job = jobs.NewJob(new_id(), client, b"{}", 1.0, options=JobOptions.model_validate(options))
    added = await store.write(lambda c: jobs.add(c, job, limit=100_000))
    begun = await store.write(lambda c: jobs.begin(c, job.id, "cpu-0", 2.0))
    assert begun is not None
    hub.announce((*added.events, *begun.events), client)
    return job.id


async def ended(hub: Hub, store: Store, job: str, state: JobState = JobState.SUCCEEDED, client: str = "ann") -> None:
    """The end of a job, told."""
    await hub.settle()
    moved = await store.write(lambda c: jobs.finish(c, job, 1, jobs.Ending(state), 3.0))
    assert moved is not None
    hub.announce(moved.events, client)


async def steps(hub: Hub, job: str, count: int, client: str = "ann") -> None:
    """Progress of a job."""
    for step in range(count):
        await hub.publish(job, client, "node.progress", {"node": "sampler", "step": step + 1, "total": count})


async def heard(subscription: Subscription, until: int | None = None, patience: float = 5.0) -> Sequence[JobEvent]:
    """The events a listener gets: up to ``finished``, or so many."""
    found: list[JobEvent] = []
    while until is None or len(found) < until:
        news = await subscription.take(patience)
        assert news or not subscription.closed, "closed before its end"
        assert news, f"nothing more came after {len(found)} events"
        found += [each.event for each in news if isinstance(each, Told)]
        if until is None and found and found[-1].kind == "finished":
            break
    return found
