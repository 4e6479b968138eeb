"""Jobs from their submission to their end."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from nodeflow.protocol.ids import new_id
from nodeflow.protocol.jobs import JobOptions, JobState
from nodeflow.storage.database import events, jobs
from nodeflow.storage.database.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store.open(tmp_path / "server.db")
    yield store
    store.close()


def a_job(**changes: object) -> jobs.NewJob:
    return jobs.NewJob(**{"id": new_id(), "client": "ann", "document": b"{}", "created": 1.0, **changes})  # type: ignore[arg-type]


def test_a_job_is_queued_run_and_over(store: Store) -> None:
    async def live() -> None:
        job = a_job(options=JobOptions(priority=3, metadata={"a": 1.0}))
        added = await store.write(lambda c: jobs.add(c, job, limit=10))
        assert added.new
        begun = await store.write(lambda c: jobs.begin(c, job.id, "cpu-0", 2.0))
        assert begun is not None
        over = await store.write(lambda c: jobs.finish(c, job.id, begun.attempt, jobs.Ending(JobState.SUCCEEDED), 3.0))
        assert over is not None
        info = await store.read(lambda c: jobs.info(c, job.id, "ann"))
        assert info is not None
        assert info.state is JobState.SUCCEEDED
        told = await store.read(lambda c: events.since(c, job.id, 0))
        assert [event.kind for event in told] == ["queued", "attempt", "finished"]
        assert (*added.events, *begun.events, *over.events) == told
        page = await store.read(lambda c: jobs.page(c, client="ann", states=[JobState.SUCCEEDED]))
        assert page.total == 1
        assert page.jobs[0].metadata == {"a": 1.0}

    asyncio.run(live())
