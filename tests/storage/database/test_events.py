"""Events of a job: numbered without gaps, in parts as asked for."""

from sqlalchemy import Connection

from nodeflow.storage.database import events, jobs


def test_numbers_have_no_gaps_and_what_was_seen_is_not_told_again(c: Connection, a_job) -> None:
    new = a_job()
    jobs.add(c, new, limit=1)
    more = events.append(c, new.id, [("plan", {"total": 3}, 2.0), ("node.started", {"node": "a"}, 3.0)])
    assert [event.seq for event in more] == [2, 3]
    assert events.append(c, new.id, []) == ()
    assert events.since(c, new.id, 1) == more
    assert events.since(c, new.id, 1, limit=1) == more[:1]
    assert events.last_seq(c, new.id) == 3
    assert events.last_seq(c, "nobody") == 0


def test_nothing_happens_to_a_job_after_its_end_or_to_one_that_is_gone(c: Connection, a_job) -> None:
    new = a_job()
    jobs.add(c, new, limit=1)
    jobs.cancel(c, new.id, 2.0)
    assert events.append(c, new.id, [("plan", {}, 3.0)]) == ()
    assert events.since(c, new.id, 0)[-1].kind == "finished"
    assert events.append(c, "nobody", [("plan", {}, 3.0)]) == ()
