"""Webhooks that are to be told of the end of jobs, until they were."""

from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, bindparam, insert, select, update

from nodeflow.protocol.ids import new_id
from nodeflow.storage.database.tables import deliveries


@dataclass(frozen=True, slots=True)
class Delivery:
    """One webhook to tell of one job. ``tries`` were made before."""

    id: str
    job: str
    url: str
    tries: int
    due: float | None
    delivered: float | None = None
    error: str = ""


_INSERT: Final = insert(deliveries)
_COLUMNS: Final = (
    deliveries.c.id,
    deliveries.c.job,
    deliveries.c.url,
    deliveries.c.tries,
    deliveries.c.due,
    deliveries.c.delivered,
    deliveries.c.error,
)
_DUE: Final = (
    select(*_COLUMNS)
    .where(deliveries.c.due.is_not(None), deliveries.c.due <= bindparam("now"))
    .order_by(deliveries.c.due)
    .limit(bindparam("most"))
)
_NEXT: Final = select(deliveries.c.due).where(deliveries.c.due.is_not(None)).order_by(deliveries.c.due).limit(1)


def add(connection: Connection, job: str, url: str, now: float) -> None:
    """Notes that a URL is to be told of a job, from now on; ``running`` and ``ordering`` call it."""
    connection.execute(_INSERT, {"id": new_id(), "job": job, "url": url, "tries": 0, "due": now, "error": ""})


def due(connection: Connection, now: float, limit: int = 100) -> tuple[Delivery, ...]:
    """What is to be tried now, the longest overdue first."""
    return tuple([Delivery(*row) for row in connection.execute(_DUE, {"now": now, "most": limit})])


def next_due(connection: Connection) -> float | None:
    """When there is something to try, or None."""
    return connection.execute(_NEXT).scalar()


def of_job(connection: Connection, job: str) -> tuple[Delivery, ...]:
    """How telling of a job went."""
    rows = connection.execute(select(*_COLUMNS).where(deliveries.c.job == job).order_by(deliveries.c.id))
    return tuple([Delivery(*row) for row in rows])


def delivered(connection: Connection, id: str, now: float) -> None:
    """Notes that a webhook has answered."""
    connection.execute(
        update(deliveries)
        .where(deliveries.c.id == id)
        .values(tries=deliveries.c.tries + 1, due=None, delivered=now, error="")
    )


def failed(connection: Connection, id: str, error: str, due: float | None) -> None:
    """Notes that a try failed and when the next one is; None gives up."""
    connection.execute(
        update(deliveries).where(deliveries.c.id == id).values(tries=deliveries.c.tries + 1, due=due, error=error)
    )
