"""Lists of jobs: what is in them, and that they are read along an index."""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise

import pytest
from sqlalchemy import Connection, event

from nodeflow.protocol.jobs import JobOptions, JobState
from nodeflow.storage.database import jobs, retention, sweeps


@pytest.fixture
def ids(c: Connection, a_job) -> list[str]:
    """Twelve jobs of two clients: four are queued, two run, three are cancelled, three have succeeded."""
    new = [
        a_job(
            client="ann" if place % 2 else "bob",
            sweep="s1" if place < 4 else "",
            point=place,
            workflow=("cats@1", "cats@2", "catsup@1", "")[place % 4],
            options=JobOptions(metadata={"shot": place, "name": f"n{place}"}),
        )
        for place in range(12)
    ]
    jobs.add_many(c, new, limit=99)
    for job in new[4:9]:
        jobs.begin(c, job.id, "cpu-0", 2.0)
    for job in new[6:9]:
        jobs.finish(c, job.id, 1, jobs.Ending(JobState.SUCCEEDED), 3.0)
    for job in new[9:]:
        jobs.cancel(c, job.id, 4.0)
    return [job.id for job in new]


def listed(c: Connection, **asked: object) -> list[str]:
    page = jobs.page(c, **{"client": None, **asked})  # type: ignore[arg-type]
    assert page.total == len(page.jobs)
    return [job.id for job in page.jobs]


def test_the_latest_comes_first(c: Connection, ids: list[str]) -> None:
    assert listed(c) == ids[::-1]


def test_a_client_sees_its_own(c: Connection, ids: list[str]) -> None:
    assert listed(c, client="ann") == ids[::-1][::2]
    assert jobs.info(c, ids[0], "ann") is None
    assert jobs.info(c, ids[0], "bob") is not None
    assert jobs.info(c, "nothing", None) is None


def test_what_is_asked_for_is_listed(c: Connection, ids: list[str]) -> None:
    assert listed(c, states=[JobState.QUEUED]) == ids[3::-1]
    assert listed(c, states=[JobState.RUNNING, JobState.SUCCEEDED, JobState.RUNNING]) == ids[8:3:-1]
    assert listed(c, client="bob", states=[JobState.CANCELLED]) == [ids[10]]
    assert listed(c, sweep="s1") == ids[3::-1]
    assert listed(c, sweep="s1", client="ann", states=[JobState.QUEUED]) == [ids[3], ids[1]]
    assert listed(c, workflow="cats@2") == ids[9::-4]
    assert listed(c, workflow="cats") == sorted([*ids[0::4], *ids[1::4]], reverse=True)
    assert listed(c, metadata={"shot": 5, "name": "n5"}) == [ids[5]]
    assert listed(c, metadata={"shot": 5, "name": "n4"}) == []
    assert listed(c, metadata={'a"b.c': 5}) == []


@pytest.mark.parametrize("asked", [{}, {"client": "ann"}, {"states": [JobState.QUEUED, JobState.CANCELLED]}])
def test_pages_join_without_gap_or_repeat(c: Connection, ids: list[str], asked: dict) -> None:
    whole = listed(c, **asked)
    got: list[str] = []
    after = None
    while True:
        page = jobs.page(c, **{"client": None, "after": after, "limit": 2, **asked})
        assert page.total == len(whole)
        got += [job.id for job in page.jobs]
        after = page.next
        if after is None:
            break
    assert got == whole


def test_the_queue_and_its_numbers(c: Connection, ids: list[str]) -> None:
    assert [(job.id, job.client, job.sweep) for job in jobs.queued(c)] == [
        (ids[place], "ann" if place % 2 else "bob", "s1") for place in range(4)
    ]
    assert all(one.rank < other.rank for one, other in pairwise(jobs.queued(c)))
    assert jobs.counts(c) == {
        JobState.QUEUED: 4,
        JobState.RUNNING: 2,
        JobState.SUCCEEDED: 3,
        JobState.FAILED: 0,
        JobState.CANCELLED: 3,
    }


@contextmanager
def plans(c: Connection) -> Iterator[list[str]]:
    """How SQLite answers each question asked inside."""
    found: list[str] = []

    @event.listens_for(c, "before_cursor_execute")
    def explain(connection, cursor, statement, parameters, context, executemany) -> None:
        if statement.lstrip().startswith("SELECT") and not executemany:
            rows = cursor.connection.execute(f"EXPLAIN QUERY PLAN {statement}", parameters)
            found.extend(row[3] for row in rows)

    try:
        yield found
    finally:
        event.remove(c, "before_cursor_execute", explain)


ASKED = {
    "all": lambda c: jobs.page(c, client=None, after="z"),
    "of a client": lambda c: jobs.page(c, client="ann", after="z"),
    "queued": lambda c: jobs.page(c, client=None, states=[JobState.QUEUED, JobState.RUNNING]),
    "queued of a client": lambda c: jobs.page(c, client="ann", states=[JobState.QUEUED]),
    "of a sweep": lambda c: jobs.page(c, client="ann", sweep="s1", states=[JobState.QUEUED]),
    "of a version": lambda c: jobs.page(c, client="ann", workflow="cats@1"),
    "one": lambda c: jobs.info(c, "x", None),
    "points": lambda c: sweeps.points(c, "s1"),
    "old": lambda c: retention.drop_jobs(c, 3.5),
    "next turn": lambda c: jobs.queued(c),
}


@pytest.mark.parametrize("name", ASKED)
def test_no_list_is_sorted_or_searched_from_end_to_end(c: Connection, ids: list[str], name: str) -> None:
    with plans(c) as found:
        ASKED[name](c)
    assert found
    for step in found:
        meant_whole = step.startswith("SCAN") and name in ("all", "next turn")
        assert meant_whole or step.startswith(("SEARCH", "SCALAR SUBQUERY", "LIST SUBQUERY")), found
        assert "ix_jobs_client_state_id (client=?)" not in step, found
    if "sweep" in name or name == "points":
        assert any("ix_jobs_sweep_id" in step for step in found), found
    if "version" in name:
        assert any("ix_jobs_workflow_id" in step for step in found), found
