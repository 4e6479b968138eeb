"""From a job's turn to its end: attempts, and what becomes of a job when one ends."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from pydantic import JsonValue
from sqlalchemy import Connection, bindparam, delete, func, insert, select, update

from nodeflow.protocol.jobs import JobError, JobOptions, JobState
from nodeflow.storage.database import deliveries, events, outputs
from nodeflow.storage.database.adding import PROBLEMS, put_back
from nodeflow.storage.database.records import Begun, Cancelled, Ending, Moved, Work
from nodeflow.storage.database.tables import attempts, jobs, queue, reports, requests

WORKER_LOST: Final = "worker_lost"
_BY_CODE: Final = frozenset({WORKER_LOST, "deadline"})

_STATE: Final = select(jobs.c.state, jobs.c.attempt, jobs.c.client, jobs.c.cancelling, jobs.c.webhook).where(
    jobs.c.id == bindparam("of")
)
_UNQUEUE: Final = delete(queue).where(queue.c.job == bindparam("of"))
_BEGIN: Final = (
    update(jobs)
    .where(jobs.c.id == bindparam("of"))
    .values(
        state=JobState.RUNNING.value,
        attempt=jobs.c.attempt + 1,
        started=func.coalesce(jobs.c.started, bindparam("now")),
    )
)
_NEW_ATTEMPT: Final = insert(attempts)
_END_ATTEMPT: Final = (
    update(attempts)
    .where(attempts.c.job == bindparam("of"), attempts.c.number == bindparam("which"))
    .values(ended=bindparam("now"), ending=bindparam("how"), reason=bindparam("why"))
)
_END: Final = update(jobs).where(jobs.c.id == bindparam("of")).values(state=bindparam("how"), finished=bindparam("now"))
_REPORT: Final = insert(reports)
_WORK: Final = (
    select(
        jobs.c.client,
        jobs.c.state,
        jobs.c.attempt,
        jobs.c.priority,
        jobs.c.title,
        jobs.c.workflow,
        jobs.c.sweep,
        jobs.c.point,
        jobs.c.models,
        jobs.c.created,
        requests.c.options,
        requests.c.targets,
        requests.c.inputs,
        requests.c.drawn,
        requests.c.problems,
        requests.c.document,
    )
    .join_from(jobs, requests, jobs.c.id == requests.c.job)
    .where(jobs.c.id == bindparam("of"))
)


def begin(connection: Connection, job: str, worker: str, now: float) -> Begun | None:
    """Takes a job out of the queue for a worker; None when it is no longer queued."""
    if connection.execute(_UNQUEUE, {"of": job}).rowcount == 0:
        return None
    connection.execute(_BEGIN, {"of": job, "now": now})
    number = connection.execute(_STATE, {"of": job}).one()[1]
    connection.execute(
        _NEW_ATTEMPT,
        {"job": job, "number": number, "worker": worker, "started": now, "ending": "running", "reason": ""},
    )
    told = events.append(connection, job, [("attempt", {"number": number, "worker": worker}, now)])
    return Begun(number, told)


def work(connection: Connection, job: str) -> Work | None:
    """What there is to do; None for a job that is not there."""
    row = connection.execute(_WORK, {"of": job}).first()
    if row is None:
        return None
    targets: list[str] | None = row.targets
    options = JobOptions.model_validate_json(row.options)
    return Work(
        id=job,
        client=row.client,
        state=JobState(row.state),
        attempt=row.attempt,
        document=row.document,
        options=options.model_copy(update={"priority": row.priority}),
        targets=None if targets is None else tuple(targets),
        title=row.title,
        workflow=row.workflow,
        sweep=row.sweep,
        point=row.point,
        inputs=row.inputs,
        drawn=row.drawn,
        problems=PROBLEMS.validate_json(row.problems),
        models=tuple(row.models),
        created=row.created,
    )


def finish(connection: Connection, job: str, attempt: int, ending: Ending, now: float) -> Moved | None:
    """Ends a job by what its running attempt told; None, and nothing is changed, when that attempt is not running.

    State, report, outputs, the last event and the webhook's delivery are written together, and once.
    """
    running = _running(connection, job, attempt)
    if running is None:
        return None
    error = _spelled(ending.error)
    how = error.code if error is not None and error.code in _BY_CODE else ending.state.value
    _end_attempt(connection, job, attempt, how, error.message if how in _BY_CODE and error is not None else "", now)
    outputs.add(connection, running.client, job, ending.outputs, now)
    return _end(connection, running, ending, now)


def lose(connection: Connection, job: str, attempt: int, reason: str, now: float, allowed: int) -> Moved | None:
    """Ends an attempt whose worker is gone.

    The job is queued again in front of all others; it is failed when ``allowed`` attempts were lost, and cancelled when
    that was asked for. None when that attempt is not running.
    """
    running = _running(connection, job, attempt)
    if running is None:
        return None
    _end_attempt(connection, job, attempt, WORKER_LOST, reason, now)
    lost = connection.execute(
        select(func.count()).where(attempts.c.job == job, attempts.c.ending == WORKER_LOST)
    ).scalar_one()
    if lost >= allowed and running.cancelling is None:
        times = "once" if lost == 1 else f"{lost} times"
        error = JobError(
            code=WORKER_LOST,
            message=f"the worker was lost {times} while it ran this job: {reason}",
            hint="look at the log of the server, then retry the job",
        )
        return _end(connection, running, Ending(JobState.FAILED, error=error), now)
    return _again(connection, running, reason, now)


def give_back(connection: Connection, job: str, attempt: int, reason: str, now: float) -> Moved | None:
    """Ends an attempt that was interrupted by a stop of the server; it does not count as lost."""
    running = _running(connection, job, attempt)
    if running is None:
        return None
    _end_attempt(connection, job, attempt, "interrupted", reason, now)
    return _again(connection, running, reason, now)


def cancel(connection: Connection, job: str, now: float) -> Cancelled | None:
    """Cancels a queued job at once and marks a running one; None for a job that is not there."""
    found = _found(connection, job)
    if found is None:
        return None
    if found.state is JobState.QUEUED:
        connection.execute(_UNQUEUE, {"of": job})
        return Cancelled(found.state, _end(connection, found, Ending(JobState.CANCELLED), now).events)
    if found.state is JobState.RUNNING and found.cancelling is None:
        connection.execute(update(jobs).where(jobs.c.id == job).values(cancelling=now))
        return Cancelled(found.state, events.append(connection, job, [("cancelling", {}, now)]))
    return Cancelled(found.state)


def recover(connection: Connection, now: float, allowed: int) -> tuple[Moved, ...]:
    """Counts the attempts that a killed server left running as lost."""
    left = connection.execute(
        select(jobs.c.id, jobs.c.attempt).where(jobs.c.state == JobState.RUNNING.value).order_by(jobs.c.id.desc())
    ).all()
    reason = "the server ended without stopping it"
    moved = [lose(connection, id, attempt, reason, now, allowed) for id, attempt in left]
    return tuple([one for one in moved if one is not None])


@dataclass(frozen=True, slots=True)
class _Found:
    """What decides about a change of a job's state."""

    id: str
    state: JobState
    attempt: int
    client: str
    cancelling: float | None
    webhook: str | None


def _found(connection: Connection, job: str) -> _Found | None:
    row = connection.execute(_STATE, {"of": job}).first()
    return None if row is None else _Found(job, JobState(row.state), *row[1:])


def _spelled(error: JobError | None) -> JobError | None:
    """Without halves of characters, which a node may have put into its message and no JSON can hold."""
    if error is None:
        return None
    plain = json.dumps(error.model_dump(), ensure_ascii=False).encode("utf-8", "replace")
    return JobError.model_validate_json(plain)


def _running(connection: Connection, job: str, attempt: int) -> _Found | None:
    found = _found(connection, job)
    current = found is not None and found.state is JobState.RUNNING and found.attempt == attempt
    return found if current else None


def _end_attempt(connection: Connection, job: str, attempt: int, how: str, why: str, now: float) -> None:
    connection.execute(_END_ATTEMPT, {"of": job, "which": attempt, "how": how, "why": why, "now": now})


def _again(connection: Connection, found: _Found, reason: str, now: float) -> Moved:
    if found.cancelling is not None:
        return _end(connection, found, Ending(JobState.CANCELLED), now)
    connection.execute(update(jobs).where(jobs.c.id == found.id).values(state=JobState.QUEUED.value))
    put_back(connection, found.id, first=True)
    told = events.append(connection, found.id, [("queued", {"after": found.attempt, "reason": reason}, now)])
    return Moved(found.id, found.client, JobState.QUEUED, told)


def _end(connection: Connection, found: _Found, ending: Ending, now: float) -> Moved:
    error = _spelled(ending.error)
    connection.execute(
        _REPORT,
        {
            "job": found.id,
            "error": None if error is None else error.model_dump_json(),
            "report": None if ending.report is None else ending.report.model_dump_json(),
        },
    )
    last: Mapping[str, JsonValue] = {"state": ending.state.value}
    if error is not None:
        last = {**last, "error": error.model_dump(mode="json")}
    told = events.append(connection, found.id, [("finished", last, now)])
    connection.execute(_END, {"of": found.id, "how": ending.state.value, "now": now})
    if found.webhook is not None:
        deliveries.add(connection, found.id, found.webhook, now)
    return Moved(found.id, found.client, ending.state, told)
