"""From a job's turn to its end, whatever happens to its worker."""

import pytest
from sqlalchemy import Connection

from nodeflow.protocol.jobs import JobError, JobInfo, JobOptions, JobState
from nodeflow.protocol.report import NodeReport, RunReport, WarningReport
from nodeflow.storage.database import deliveries, events, jobs
from nodeflow.storage.database.records import NewOutput


@pytest.fixture
def queued(c: Connection, a_job) -> str:
    new = a_job(options=JobOptions(webhook="https://hooks.example/x"))
    jobs.add(c, new, limit=10)
    return new.id


def begun(c: Connection, job: str, now: float = 2.0) -> int:
    begun = jobs.begin(c, job, "cpu-0", now)
    assert begun is not None
    return begun.attempt


def seen(c: Connection, job: str) -> JobInfo:
    info = jobs.info(c, job, None)
    assert info is not None
    return info


def kinds(c: Connection, job: str) -> list[str]:
    told = events.since(c, job, 0)
    assert [event.seq for event in told] == list(range(1, len(told) + 1))
    return [event.kind for event in told]


SUCCESS = jobs.Ending(JobState.SUCCEEDED)


def test_a_job_begins_once(c: Connection, queued: str) -> None:
    assert begun(c, queued) == 1
    assert jobs.begin(c, queued, "cpu-1", 2.0) is None
    info = seen(c, queued)
    assert (info.state, info.started, len(info.attempts)) == (JobState.RUNNING, 2.0, 1)


def test_it_ends_once_and_with_all_that_its_worker_told(c: Connection, queued: str) -> None:
    number = begun(c, queued)
    report = RunReport(
        status="ok",
        exit_code=0,
        nodes={"a": NodeReport(status="hit-disk", seconds=0.0), "b": NodeReport(status="ran", seconds=1.5)},
        warnings=[WarningReport(node="b", message="so so")],
        shown={"b": [1, "x"]},
        withheld={"c": "filtered"},
    )
    files = [
        NewOutput("o1", "picture", "b", "Image", path="cats/1.png", media_type="image/png", bytes=7, sha256="ff"),
        NewOutput("o2", "picture", "b", "Image", path="cats/2.png", media_type="image/png", bytes=8, sha256="fe"),
        NewOutput("o3", "", "s", "Image", path="3.png", partial=True),
        NewOutput("o4", "count", "n", "Int", value=3),
    ]
    moved = jobs.finish(c, queued, number, jobs.Ending(JobState.SUCCEEDED, report, files), 5.0)
    assert moved is not None
    assert moved.state is JobState.SUCCEEDED
    assert jobs.finish(c, queued, number, SUCCESS, 6.0) is None
    info = seen(c, queued)
    assert (info.state, info.finished, info.cache_hits) == (JobState.SUCCEEDED, 5.0, 1)
    assert [(a.number, a.worker, a.ending, a.ended) for a in info.attempts] == [(1, "cpu-0", "succeeded", 5.0)]
    assert info.nodes["b"].seconds == 1.5
    assert info.shown == {"b": (1, "x")}
    assert info.withheld == {"c": "filtered"}
    assert [warning.message for warning in info.warnings] == ["so so"]
    assert {name: [one.id for one in found] for name, found in info.outputs.items()} == {
        "picture": ["o1", "o2"],
        "s": ["o3"],
        "count": [""],
    }
    assert info.outputs["picture"][0].file == "1.png"
    assert info.outputs["s"][0].partial
    assert info.outputs["count"][0].value == 3
    assert kinds(c, queued) == ["queued", "attempt", "finished"]
    assert [(d.url, d.due, d.tries) for d in deliveries.due(c, 5.0)] == [("https://hooks.example/x", 5.0, 0)]


def test_a_report_of_an_earlier_attempt_is_not_taken(c: Connection, queued: str) -> None:
    first = begun(c, queued)
    jobs.lose(c, queued, first, "killed", 3.0, allowed=2)
    second = begun(c, queued, 4.0)
    assert jobs.finish(c, queued, first, SUCCESS, 5.0) is None
    assert jobs.lose(c, queued, first, "again", 5.0, allowed=2) is None
    assert jobs.give_back(c, queued, first, "stop", 5.0) is None
    assert jobs.finish(c, queued, second, SUCCESS, 6.0) is not None
    assert seen(c, queued).started == 2.0


def test_a_lost_job_goes_before_all_others_and_is_failed_when_it_is_lost_too_often(
    c: Connection, queued: str, a_job
) -> None:
    other = a_job()
    jobs.add(c, other, limit=10)
    moved = jobs.lose(c, queued, begun(c, queued), "it was killed by SIGSEGV", 3.0, allowed=2)
    assert moved is not None
    assert moved.state is JobState.QUEUED
    assert [job.id for job in jobs.queued(c)] == [queued, other.id]
    moved = jobs.lose(c, queued, begun(c, queued, 4.0), "it was killed by SIGKILL", 5.0, allowed=2)
    assert moved is not None
    assert moved.state is JobState.FAILED
    info = seen(c, queued)
    assert info.error is not None
    assert info.error.code == "worker_lost"
    assert "2 times" in info.error.message
    assert "SIGKILL" in info.error.message
    assert [attempt.ending for attempt in info.attempts] == ["worker_lost", "worker_lost"]
    assert kinds(c, queued) == ["queued", "attempt", "queued", "attempt", "finished"]
    assert jobs.begin(c, queued, "cpu-0", 9.0) is None


def test_being_interrupted_by_a_stop_does_not_count(c: Connection, queued: str) -> None:
    for _ in range(3):
        moved = jobs.give_back(c, queued, begun(c, queued), "the server stops", 3.0)
        assert moved is not None
        assert moved.state is JobState.QUEUED
    moved = jobs.lose(c, queued, begun(c, queued), "killed", 4.0, allowed=2)
    assert moved is not None
    assert moved.state is JobState.QUEUED


def test_a_deadline_is_told_in_the_attempt(c: Connection, queued: str) -> None:
    error = JobError(code="deadline", message="took longer than 3 s")
    jobs.finish(c, queued, begun(c, queued), jobs.Ending(JobState.FAILED, error=error), 5.0)
    info = seen(c, queued)
    assert info.error == error
    assert (info.attempts[0].ending, info.attempts[0].reason) == ("deadline", "took longer than 3 s")
    assert events.since(c, queued, 2)[0].data == {"state": "failed", "error": error.model_dump(mode="json")}


def test_half_a_character_in_a_message_is_no_reason_not_to_end(c: Connection, queued: str) -> None:
    error = JobError(code="deadline", message="file \udcff")
    moved = jobs.finish(c, queued, begun(c, queued), jobs.Ending(JobState.FAILED, error=error), 5.0)
    assert moved is not None
    assert "file ?" in moved.events[0].model_dump_json()
    info = seen(c, queued)
    assert info.error is not None
    assert (info.error.message, info.attempts[0].reason) == ("file ?", "file ?")


def test_a_queued_job_is_cancelled_at_once(c: Connection, queued: str) -> None:
    cancelled = jobs.cancel(c, queued, 3.0)
    assert cancelled is not None
    assert cancelled.before is JobState.QUEUED
    assert [event.kind for event in cancelled.events] == ["finished"]
    assert seen(c, queued).state is JobState.CANCELLED
    assert jobs.begin(c, queued, "cpu-0", 4.0) is None
    again = jobs.cancel(c, queued, 5.0)
    assert again == jobs.Cancelled(JobState.CANCELLED)
    assert jobs.cancel(c, "nobody", 5.0) is None


def test_a_running_job_is_marked_once_and_ends_as_its_worker_says(c: Connection, queued: str) -> None:
    number = begun(c, queued)
    assert [event.kind for event in jobs.cancel(c, queued, 3.0).events] == ["cancelling"]
    assert jobs.cancel(c, queued, 3.5) == jobs.Cancelled(JobState.RUNNING)
    jobs.finish(c, queued, number, jobs.Ending(JobState.CANCELLED), 4.0)
    assert seen(c, queued).state is JobState.CANCELLED


@pytest.mark.parametrize("end", ["lose", "give_back"])
def test_a_cancelled_job_whose_worker_goes_does_not_run_again(c: Connection, queued: str, end: str) -> None:
    number = begun(c, queued)
    jobs.cancel(c, queued, 3.0)
    if end == "lose":
        moved = jobs.lose(c, queued, number, "killed", 4.0, allowed=1)
    else:
        moved = jobs.give_back(c, queued, number, "stop", 4.0)
    assert moved is not None
    assert moved.state is JobState.CANCELLED


def test_after_a_crash_of_the_server_running_jobs_are_queued_again_or_failed(c: Connection, a_job) -> None:
    ids = [a_job().id for _ in range(3)]
    jobs.add_many(c, [a_job(id=id) for id in ids], limit=10)
    for id in ids[:2]:
        begun(c, id)
    jobs.lose(c, ids[0], 1, "killed", 3.0, allowed=2)
    begun(c, ids[0], 4.0)
    moved = {one.id: one.state for one in jobs.recover(c, 5.0, allowed=2)}
    assert moved == {ids[0]: JobState.FAILED, ids[1]: JobState.QUEUED}
    assert [job.id for job in jobs.queued(c)] == [ids[1], ids[2]]
    assert jobs.recover(c, 6.0, allowed=2) == ()


def test_webhooks_are_told_later_until_they_answer_or_are_given_up(c: Connection, queued: str) -> None:
    jobs.cancel(c, queued, 3.0)
    (first,) = deliveries.due(c, 3.0)
    deliveries.failed(c, first.id, "no answer", 8.0)
    assert deliveries.due(c, 7.0) == ()
    assert deliveries.next_due(c) == 8.0
    (second,) = deliveries.due(c, 8.0)
    assert (second.tries, second.error) == (1, "no answer")
    deliveries.delivered(c, first.id, 8.5)
    assert deliveries.next_due(c) is None
    assert [(d.tries, d.delivered, d.error) for d in deliveries.of_job(c, queued)] == [(2, 8.5, "")]
