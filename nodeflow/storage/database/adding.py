"""New jobs."""

from collections.abc import Sequence
from typing import Final

from pydantic import TypeAdapter
from sqlalchemy import Connection, bindparam, func, select

from nodeflow.protocol.jobs import JobState
from nodeflow.protocol.report import ProblemReport
from nodeflow.storage.database import events
from nodeflow.storage.database.prepared import PreparedInsert
from nodeflow.storage.database.records import Added, KeyReused, NewJob, QueueFull
from nodeflow.storage.database.tables import jobs, queue, requests

PROBLEMS: Final = TypeAdapter(tuple[ProblemReport, ...])

_QUEUED: Final = select(func.count()).select_from(queue)
_ROOM: Final = select(_QUEUED.scalar_subquery(), select(func.coalesce(func.max(queue.c.rank), 0.0)).scalar_subquery())
_ROOM_AND_KEY: Final = _ROOM.add_columns(
    select(jobs.c.id).where(jobs.c.client == bindparam("whose"), jobs.c.key == bindparam("which")).scalar_subquery()
)
_BY_KEY: Final = select(jobs.c.id, jobs.c.body_digest).where(
    jobs.c.client == bindparam("whose"), jobs.c.key == bindparam("which")
)
_DIGEST: Final = select(jobs.c.body_digest).where(jobs.c.id == bindparam("of"))
_INSERT_JOB: Final = PreparedInsert(jobs, without=("started", "finished", "cancelling"))
_INSERT_REQUEST: Final = PreparedInsert(requests)
_INSERT_QUEUED: Final = PreparedInsert(queue)


def add(connection: Connection, job: NewJob, *, limit: int) -> Added:
    """Queues a job, unless its client's key has made one already.

    Raises:
        KeyReused: The key came with another body before.
        QueueFull: ``limit`` jobs are queued.
    """
    queued, last, before = connection.execute(_ROOM_AND_KEY, {"whose": job.client, "which": job.key}).one()
    if before is not None:
        return _known(connection, job, before)
    _make_room(queued, 1, limit)
    return _add(connection, job, last + 1.0)


def known(connection: Connection, client: str, key: str, body_digest: str) -> Added | None:
    """The job that this key has made before.

    Raises:
        KeyReused: The key came with another body then.
    """
    row = connection.execute(_BY_KEY, {"whose": client, "which": key}).first()
    if row is None:
        return None
    id, digest = row
    if digest != body_digest:
        raise KeyReused(id)
    return Added(id, new=False)


def add_many(connection: Connection, new: Sequence[NewJob], *, limit: int) -> tuple[Added, ...]:
    """Queues all of them or none; their keys are not looked up.

    Raises:
        QueueFull: They do not fit below ``limit`` together.
    """
    queued, last = connection.execute(_ROOM).one()
    _make_room(queued, len(new), limit)
    return tuple([_add(connection, job, last + place) for place, job in enumerate(new, 1)])


def put_back(connection: Connection, job: str, *, first: bool) -> None:
    """Gives a job a place in the queue: before all others or behind them."""
    edge = func.min(queue.c.rank) - 1.0 if first else func.max(queue.c.rank) + 1.0
    rank = connection.execute(select(func.coalesce(edge, 0.0))).scalar_one()
    _INSERT_QUEUED(connection, {"job": job, "rank": rank})


def queued_count(connection: Connection) -> int:
    """How many jobs are queued."""
    return connection.execute(_QUEUED).scalar_one()


def _known(connection: Connection, job: NewJob, id: str) -> Added:
    if connection.execute(_DIGEST, {"of": id}).scalar_one() != job.body_digest:
        raise KeyReused(id)
    return Added(id, new=False)


def _make_room(queued: int, wanted: int, limit: int) -> None:
    if queued + wanted > limit:
        raise QueueFull(queued, limit)


def _add(connection: Connection, job: NewJob, rank: float) -> Added:
    options = job.options
    _INSERT_JOB(
        connection,
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
    _INSERT_REQUEST(
        connection,
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
    _INSERT_QUEUED(connection, {"job": job.id, "rank": rank})
    told = events.open_stream(connection, job.id, [("queued", {}, job.created)])
    return Added(job.id, new=True, events=told)
