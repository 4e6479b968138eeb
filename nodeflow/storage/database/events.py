"""What happened to jobs, numbered from 1 in each."""

from collections.abc import Mapping, Sequence
from typing import Final

from pydantic import JsonValue
from sqlalchemy import Connection, bindparam, func, select

from nodeflow.protocol.events import JobEvent
from nodeflow.storage.database.prepared import PreparedInsert
from nodeflow.storage.database.tables import events, jobs

Happening = tuple[str, Mapping[str, JsonValue], float]
"""Kind, data, moment."""

_LAST: Final = select(func.coalesce(func.max(events.c.seq), 0)).where(events.c.job == bindparam("of"))
_LAST_AND_END: Final = _LAST.add_columns(
    select(jobs.c.finished).where(jobs.c.id == bindparam("of")).scalar_subquery().label("finished")
)
_INSERT: Final = PreparedInsert(events)
_SINCE: Final = (
    select(events.c.seq, events.c.at, events.c.kind, events.c.data)
    .where(events.c.job == bindparam("of"), events.c.seq > bindparam("after"))
    .order_by(events.c.seq)
    .limit(bindparam("most"))
)


def append(connection: Connection, job: str, happened: Sequence[Happening]) -> tuple[JobEvent, ...]:
    """Numbers what happened to a job, and keeps it.

    After a job's end nothing happens to it: what comes then, or comes of a job that is not there, is dropped.
    """
    last, finished = connection.execute(_LAST_AND_END, {"of": job}).one()
    return () if last == 0 or finished is not None else _append(connection, job, happened, last)


def open_stream(connection: Connection, job: str, happened: Sequence[Happening]) -> tuple[JobEvent, ...]:
    """``append`` for a job that was added just now."""
    return _append(connection, job, happened, 0)


def last_seq(connection: Connection, job: str) -> int:
    """The number of the last event of a job; 0 when there is none."""
    return connection.execute(_LAST, {"of": job}).scalar_one()


def since(connection: Connection, job: str, after: int, limit: int = 1000) -> tuple[JobEvent, ...]:
    """What happened after an event, at most ``limit`` of it."""
    rows = connection.execute(_SINCE, {"of": job, "after": after, "most": limit})
    return tuple([JobEvent(job=job, seq=seq, at=at, kind=kind, data=data) for seq, at, kind, data in rows])


def _append(connection: Connection, job: str, happened: Sequence[Happening], last: int) -> tuple[JobEvent, ...]:
    numbered = tuple(
        [
            JobEvent(job=job, seq=seq, at=at, kind=kind, data=data)
            for seq, (kind, data, at) in enumerate(happened, last + 1)
        ]
    )
    if numbered:
        rows = [{"job": job, "seq": e.seq, "at": e.at, "kind": e.kind, "data": e.data} for e in numbered]
        _INSERT.all(connection, rows)
    return numbered
