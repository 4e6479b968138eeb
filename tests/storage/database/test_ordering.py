"""The order of jobs that wait, and jobs that go."""

import pytest
from sqlalchemy import Connection

from nodeflow.protocol.jobs import JobOptions, JobState
from nodeflow.storage.database import events, jobs, outputs
from nodeflow.storage.database.records import NewOutput


@pytest.fixture
def ids(c: Connection, a_job) -> list[str]:
    new = [a_job(options=JobOptions(priority=place // 2)) for place in range(4)]
    jobs.add_many(c, new, limit=9)
    return [job.id for job in new]


def order(c: Connection) -> list[str]:
    return [job.id for job in jobs.queued(c)]


def test_a_job_goes_where_it_is_dragged(c: Connection, ids: list[str]) -> None:
    a, b, third, d = ids
    assert jobs.reorder(c, d, before=b)
    assert order(c) == [a, d, b, third]
    assert jobs.reorder(c, b, before=a)
    assert order(c) == [b, a, d, third]
    assert jobs.reorder(c, b, before="")
    assert order(c) == [a, d, third, b]
    assert jobs.reorder(c, a, before=a)
    assert order(c) == [a, d, third, b]


def test_it_takes_over_the_priority_it_is_dragged_to(c: Connection, ids: list[str]) -> None:
    jobs.reorder(c, ids[3], before=ids[0])
    assert {job.id: job.priority for job in jobs.queued(c)}[ids[3]] == 0


def test_there_is_always_room_between_two_jobs(c: Connection, ids: list[str]) -> None:
    first, second, third, fourth = ids
    for turn in range(120):
        moved, before = (third, second) if turn % 2 else (second, third)
        assert jobs.reorder(c, moved, before=before)
        assert order(c) == [first, moved, before, fourth]


def test_only_what_is_queued_is_moved(c: Connection, ids: list[str]) -> None:
    jobs.begin(c, ids[0], "cpu-0", 2.0)
    assert not jobs.reorder(c, ids[0], before=ids[1])
    assert not jobs.reorder(c, ids[1], before=ids[0])
    assert not jobs.prioritise(c, ids[0], 5)
    assert jobs.prioritise(c, ids[1], 5)
    assert {job.id: job.priority for job in jobs.queued(c)}[ids[1]] == 5
    assert order(c) == ids[1:]


def test_only_what_is_over_is_removed_and_its_files_stay(c: Connection, ids: list[str]) -> None:
    assert not jobs.remove(c, ids[0])
    jobs.begin(c, ids[0], "cpu-0", 2.0)
    assert not jobs.remove(c, ids[0])
    files = [NewOutput("o1", "p", "n", "Image", path="a.png"), NewOutput("o2", "v", "n", "Int", value=1)]
    jobs.finish(c, ids[0], 1, jobs.Ending(JobState.SUCCEEDED, outputs=files), 3.0)
    assert jobs.remove(c, ids[0])
    assert jobs.info(c, ids[0], None) is None
    assert events.since(c, ids[0], 0) == ()
    assert [output.id for output in outputs.of_job(c, ids[0])] == ["o1"]
    assert not jobs.remove(c, ids[0])


def test_a_client_clears_its_own_jobs(c: Connection, ids: list[str], a_job) -> None:
    bobs = a_job(client="bob")
    jobs.add(c, bobs, limit=9)
    moved = jobs.clear_queued(c, "ann", 5.0)
    assert [(one.id, one.state, one.events[0].kind) for one in moved] == [
        (id, JobState.CANCELLED, "finished") for id in ids
    ]
    assert order(c) == [bobs.id]
    assert [one.id for one in jobs.clear_queued(c, None, 5.0)] == [bobs.id]
