"""A job is queued once, whatever the client repeats."""

import pytest
from sqlalchemy import Connection

from nodeflow.protocol.jobs import JobOptions, JobState
from nodeflow.protocol.report import ProblemReport
from nodeflow.storage.database import events, jobs
from nodeflow.storage.database.exporting import export_jobs


def test_what_goes_in_comes_out(c: Connection, a_job) -> None:
    problem = ProblemReport(
        code="x",
        severity="warning",
        message="look",
        node="n",
        type="T",
        input=None,
        found=None,
        expected=None,
        hint=None,
    )
    new = a_job(
        title="A cat",
        workflow="cats@3",
        point=7,
        options=JobOptions(priority=4, metadata={"a": 1.0, "b": [None]}, deadline=9.5, strict=True, refresh=("n",)),
        targets=("n.out",),
        inputs={"seed": 2**53 - 1},
        drawn={"n.seed": 0.5},
        problems=(problem,),
        models=("checkpoints/a.safetensors",),
    )
    added = jobs.add(c, new, limit=1)
    assert added == jobs.Added(new.id, True, events.since(c, new.id, 0))
    assert [(event.seq, event.kind) for event in added.events] == [(1, "queued")]
    work = jobs.work(c, new.id)
    assert work is not None
    assert (work.state, work.attempt) == (JobState.QUEUED, 0)
    for name in (
        "document",
        "title",
        "workflow",
        "point",
        "targets",
        "inputs",
        "drawn",
        "problems",
        "models",
        "options",
    ):
        assert getattr(work, name) == getattr(new, name), name
    info = jobs.info(c, new.id, "ann")
    assert info is not None
    assert (info.metadata, info.deadline, info.title) == ({"a": 1.0, "b": [None]}, 9.5, "A cat")
    assert isinstance(info.metadata["a"], float)
    assert [warning.message for warning in info.warnings] == ["look"]


def test_the_same_key_and_body_is_the_same_job(c: Connection, a_job) -> None:
    first = a_job(key="k", body_digest="1")
    jobs.add(c, first, limit=1)
    again = jobs.add(c, a_job(key="k", body_digest="1"), limit=1)
    assert again == jobs.Added(first.id, new=False)
    assert jobs.queued_count(c) == 1


def test_the_same_key_with_another_body_is_refused(c: Connection, a_job) -> None:
    first = a_job(key="k", body_digest="1")
    jobs.add(c, first, limit=10)
    with pytest.raises(jobs.KeyReused) as refused:
        jobs.add(c, a_job(key="k", body_digest="2"), limit=10)
    assert refused.value.id == first.id


def test_keys_belong_to_their_client(c: Connection, a_job) -> None:
    jobs.add(c, a_job(key="k", body_digest="1"), limit=10)
    assert jobs.add(c, a_job(client="bob", key="k", body_digest="2"), limit=10).new


def test_a_full_queue_takes_nothing_and_says_how_much_it_holds(c: Connection, a_job) -> None:
    jobs.add_many(c, [a_job(), a_job()], limit=2)
    with pytest.raises(jobs.QueueFull, match="2 jobs are queued, of at most 2"):
        jobs.add(c, a_job(), limit=2)
    with pytest.raises(jobs.QueueFull):
        jobs.add_many(c, [a_job(), a_job()], limit=3)
    assert jobs.queued_count(c) == 2


def test_only_queued_jobs_count(c: Connection, a_job) -> None:
    first = a_job()
    jobs.add(c, first, limit=1)
    jobs.begin(c, first.id, "cpu-0", 2.0)
    assert jobs.add(c, a_job(), limit=1).new


def test_half_a_surrogate_pair_and_nothing_that_json_lacks_are_no_trouble(c: Connection, a_job) -> None:
    new = a_job(options=JobOptions(metadata={}), inputs={"text": "\ud800", "number": float("nan")})
    jobs.add(c, new, limit=1)
    work = jobs.work(c, new.id)
    assert work is not None
    assert work.inputs == {"text": "\ud800", "number": None}


def test_what_is_queued_can_be_exported(c: Connection, a_job) -> None:
    mine, other = a_job(title="one", document=b'{"nodes": {"a": 1}}', targets=("a",)), a_job(client="bob", title="two")
    jobs.add_many(c, [mine, other, running := a_job()], limit=9)
    jobs.begin(c, running.id, "cpu-0", 2.0)
    exported = export_jobs(c, [mine.id, "gone", running.id, other.id])
    assert [(job.client, job.title, job.targets, job.document) for job in exported] == [
        ("ann", "one", ("a",), {"nodes": {"a": 1}}),
        ("bob", "two", None, {"nodes": {}}),
    ]
