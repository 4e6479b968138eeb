"""What is no longer kept, in batches small enough to let submissions through between them."""

from collections.abc import Sequence
from typing import Final

from sqlalchemy import Connection, Select, delete, exists, func, select

from nodeflow.storage.database import outputs
from nodeflow.storage.database.outputs import Output
from nodeflow.storage.database.tables import IN_SWEEP, documents, jobs, sweeps
from nodeflow.storage.database.tables import outputs as rows

BATCH: Final = 200


def drop_jobs(connection: Connection, before: float, limit: int = BATCH) -> int:
    """Deletes jobs that were over before a moment, the oldest first; gives how many.

    Events, reports, deliveries and values go with them; files of theirs keep their ids.
    """
    return _drop(connection, _over().where(jobs.c.finished < before).limit(limit))


def drop_jobs_beyond(connection: Connection, kept: int, limit: int = BATCH) -> int:
    """Deletes the oldest jobs that are over when there are more than ``kept`` of those; gives how many."""
    over = connection.execute(select(func.count()).where(jobs.c.finished.is_not(None))).scalar_one()
    return 0 if over <= kept else _drop(connection, _over().limit(min(limit, over - kept)))


def drop_sweeps(connection: Connection, before: float, limit: int = BATCH) -> int:
    """Deletes sweeps that were over before a moment and of which no job is left."""
    has_jobs = exists().where(jobs.c.sweep == sweeps.c.id, IN_SWEEP)
    old = select(sweeps.c.id).where(sweeps.c.finished < before, ~has_jobs).order_by(sweeps.c.id).limit(limit)
    return connection.execute(delete(sweeps).where(sweeps.c.id.in_(old))).rowcount


def drop_documents(connection: Connection, before: float, limit: int = BATCH) -> int:
    """Deletes documents that were put into the trash before a moment."""
    old = select(documents.c.id).where(documents.c.trashed < before).limit(limit)
    return connection.execute(delete(documents).where(documents.c.id.in_(old))).rowcount


def old_outputs(connection: Connection, before: float, limit: int = BATCH) -> tuple[Output, ...]:
    """Files made before a moment and not in the trash, the oldest first; ``outputs.forget`` when they are deleted."""
    return outputs.chosen(connection, [rows.c.created < before, rows.c.trashed.is_(None)], limit)


def trashed_outputs(connection: Connection, before: float, limit: int = BATCH) -> tuple[Output, ...]:
    """Files put into the trash before a moment."""
    return outputs.chosen(connection, [rows.c.trashed < before], limit)


def still_named(connection: Connection, leaving: Sequence[Output]) -> frozenset[tuple[str, str]]:
    """Client and path of those files that an output which stays names, too: a job may find its file there already."""
    asked = select(rows.c.client, rows.c.path).where(
        rows.c.path.in_({each.path for each in leaving}), rows.c.id.not_in([each.id for each in leaving])
    )
    return frozenset((client, path) for client, path in connection.execute(asked))


def output_bytes(connection: Connection) -> int:
    """Bytes of all files that jobs gave, without those in the trash."""
    asked = select(func.coalesce(func.sum(rows.c.size), 0)).where(rows.c.trashed.is_(None))
    return connection.execute(asked).scalar_one()


def _over() -> Select[str]:
    return select(jobs.c.id).where(jobs.c.finished.is_not(None)).order_by(jobs.c.finished)


def _drop(connection: Connection, chosen: Select[str]) -> int:
    ids: Sequence[str] = connection.execute(chosen).scalars().all()
    if ids:
        connection.execute(delete(rows).where(rows.c.job.in_(ids), rows.c.path == ""))
        connection.execute(delete(jobs).where(jobs.c.id.in_(ids)))
    return len(ids)
