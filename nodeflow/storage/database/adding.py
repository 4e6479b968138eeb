"""New jobs."""

from collections.abc import Sequence
from typing import Final

from pydantic import TypeAdapter
from sqlalchemy import Connection, bindparam, func, insert, select

from nodeflow.protocol.jobs import JobState
from nodeflow.protocol.report import ProblemReport
from nodeflow.storage.database import events
from nodeflow.storage.database.records import Added, KeyReused, NewJob, QueueFull
from nodeflow.storage.database.tables import jobs, queue, requests

PROBLEMS: Final = TypeAdapter(tuple[ProblemReport, ...])

_QUEUED: Final = select(func.count()).select_from(queue)
_BY_KEY: Final = select(jobs.c.id, jobs.c.body_digest).where(
    jobs.c.client == bindparam("whose"), jobs.c.key == bindparam("which")
)
_NEXT_RANK: Final = select(func.coalesce(func.max(queue.c.rank), 0.0) + 1.0)
_INSERT_JOB: Final = insert(jobs)
_INSERT_REQUEST: Final = insert(requests)
_INSERT_QUEUED: Final = insert(queue)


def add(connection: Connection, job: NewJob, *, limit: int) -> Added:
    """Queues a job, unless its client's key has made one already.

    Raises:
        KeyReused: The key came with another body before.
        QueueFull: ``limit`` jobs are queued.
    """
    known = _known(connection, job)
    if known is not None:
        return known
    _make_room(connection, 1, limit)
    return _add(connection, job)


def add_many(connection: Connection, new: Sequence[NewJob], *, limit: int) -> tuple[Added, ...]:
    """Queues all of them or none; their keys are not looked up.

    Raises:
        QueueFull: They do not fit below ``limit`` together.
    """
    _make_room(connection, len(new), limit)
    return tuple([_add(connection, job) for job in new])


def put_back(connection: Connection, job: str, *, first: bool) -> None:
    """Gives a job a place in the queue: before all others or behind them."""
    edge = func.min(queue.c.rank) - 1.0 if first else func.max(queue.c.rank) + 1.0
    rank = connection.execute(select(func.coalesce(edge, 0.0))).scalar_one()
    connection.execute(_INSERT_QUEUED, {"job": job, "rank": rank})


def queued_count(connection: Connection) -> int:
    """How many jobs are queued."""
    return connection.execute(_QUEUED).scalar_one()


def _known(connection: Connection, job: NewJob) -> Added | None:
    if job.key is None:
        return None
    row = connection.execute(_BY_KEY, {"whose": job.client, "which": job.key}).first()
    if row is None:
        return None
    id, digest = row
    if digest != job.body_digest:
        raise KeyReused(id)
    return Added(id, new=False)


def _make_room(connection: Connection, wanted: int, limit: int) -> None:
    queued = queued_count(connection)
    if queued + wanted > limit:
        raise QueueFull(queued, limit)


def _add(connection: Connection, job: NewJob) -> Added:
    options = job.options
    connection.execute(
        _INSERT_JOB,
        {
            "id": job.id,
            "client": job.client,
            "state": JobState.QUEUED.value,
            "priority": options.priority,
            "title": job.title,
            "workflow": job.workflow,
            "sweep": job.sweep,
            "point": job.point,
            "key": job.key,
            "body_digest": job.body_digest,
            "webhook": options.webhook,
            "deadline": options.deadline,
            "metadata": options.metadata,
            "models": job.models,
            "retry_of": job.retry_of,
            "created": job.created,
            "attempt": 0,
        },
    )
    connection.execute(
        _INSERT_REQUEST,
        {
            "job": job.id,
            "options": options.model_dump_json(),
            "targets": job.targets,
            "inputs": job.inputs,
            "drawn": job.drawn,
            "problems": PROBLEMS.dump_json(job.problems).decode(),
            "document": job.document,
        },
    )
    rank = connection.execute(_NEXT_RANK).scalar_one()
    connection.execute(_INSERT_QUEUED, {"job": job.id, "rank": rank})
    told = events.open_stream(connection, job.id, [("queued", {}, job.created)])
    return Added(job.id, new=True, events=told)
