"""The files and values that jobs gave."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, RowMapping, bindparam, delete, func, insert, select, update

from nodeflow.protocol.jobs import OutputInfo
from nodeflow.storage.database.records import NewOutput
from nodeflow.storage.database.tables import outputs

_INSERT: Final = insert(outputs)
_AT_ONCE: Final = 500
"""Jobs in one question: a statement may have only so many parameters."""
_OF_JOB: Final = select(outputs).where(outputs.c.job == bindparam("of")).order_by(outputs.c.place)


@dataclass(frozen=True, slots=True)
class Output:
    """A file or value of a job; ``path`` is within the client's output folder."""

    id: str
    client: str
    job: str
    created: float
    trashed: float | None
    path: str
    sha256: str
    info: OutputInfo


def add(connection: Connection, client: str, job: str, new: Sequence[NewOutput], now: float) -> None:
    """Keeps what a job gave, in this order, behind what it gave before."""
    if not new:
        return
    first = connection.execute(
        select(func.coalesce(func.max(outputs.c.place), -1) + 1).where(outputs.c.job == job)
    ).scalar_one()
    connection.execute(
        _INSERT,
        [
            {
                "id": one.id,
                "client": client,
                "job": job,
                "place": place,
                "name": one.name,
                "node": one.node,
                "type": one.type,
                "value": one.value,
                "path": one.path,
                "media_type": one.media_type,
                "size": one.bytes,
                "sha256": one.sha256,
                "partial": int(one.partial),
                "created": now,
            }
            for place, one in enumerate(new, first)
        ],
    )


def find(connection: Connection, id: str, client: str | None) -> Output | None:
    """The file of an id; None when there is none, or when it is not this client's. ``client`` None sees all."""
    asked = select(outputs).where(outputs.c.id == id, outputs.c.path != "")
    if client is not None:
        asked = asked.where(outputs.c.client == client)
    row = connection.execute(asked).mappings().first()
    return None if row is None else _output(row)


def of_job(connection: Connection, job: str) -> tuple[Output, ...]:
    """What a job gave, in its order."""
    return tuple([_output(row) for row in connection.execute(_OF_JOB, {"of": job}).mappings()])


def of_jobs(connection: Connection, jobs: Sequence[str]) -> Mapping[str, tuple[Output, ...]]:
    """What each of some jobs gave, in its order."""
    found: dict[str, list[Output]] = {job: [] for job in jobs}
    for start in range(0, len(jobs), _AT_ONCE):
        asked = select(outputs).where(outputs.c.job.in_(jobs[start : start + _AT_ONCE])).order_by(outputs.c.place)
        for row in connection.execute(asked).mappings():
            found[row["job"]].append(_output(row))
    return {job: tuple(group) for job, group in found.items()}


def page(
    connection: Connection, *, client: str | None, trashed: bool = False, after: str | None = None, limit: int = 100
) -> tuple[Output, ...]:
    """Files, the latest first, from behind ``after`` on."""
    asked = select(outputs).where(outputs.c.path != "", outputs.c.trashed.is_not(None) == trashed)
    if client is not None:
        asked = asked.where(outputs.c.client == client)
    if after is not None:
        asked = asked.where(outputs.c.id < after)
    rows = connection.execute(asked.order_by(outputs.c.id.desc()).limit(limit)).mappings()
    return tuple([_output(row) for row in rows])


def chosen(connection: Connection, conditions: Sequence[ColumnElement[bool]], limit: int) -> tuple[Output, ...]:
    """Files that fulfil all conditions, the oldest first."""
    asked = select(outputs).where(outputs.c.path != "", *conditions).order_by(outputs.c.id).limit(limit)
    return tuple([_output(row) for row in connection.execute(asked).mappings()])


def trash(connection: Connection, id: str, now: float) -> bool:
    """Marks a file as being in the trash; False when it was there already, or there is no such file."""
    done = connection.execute(
        update(outputs).where(outputs.c.id == id, outputs.c.trashed.is_(None)).values(trashed=now)
    )
    return done.rowcount == 1


def restore(connection: Connection, id: str, path: str | None = None) -> bool:
    """Marks a file as no longer being in the trash, under a new path if it got one."""
    values: dict[str, Any] = {"trashed": None} if path is None else {"trashed": None, "path": path}
    done = connection.execute(update(outputs).where(outputs.c.id == id, outputs.c.trashed.is_not(None)).values(values))
    return done.rowcount == 1


def forget(connection: Connection, ids: Sequence[str]) -> int:
    """Removes rows whose files were deleted."""
    return connection.execute(delete(outputs).where(outputs.c.id.in_(ids))).rowcount


def _output(row: RowMapping) -> Output:
    return Output(
        id=row["id"],
        client=row["client"],
        job=row["job"],
        created=row["created"],
        trashed=row["trashed"],
        path=row["path"],
        sha256=row["sha256"],
        info=OutputInfo(
            id=row["id"] if row["path"] else "",
            name=row["name"],
            node=row["node"],
            type=row["type"],
            value=row["value"],
            media_type=row["media_type"],
            file=row["path"].rpartition("/")[2],
            bytes=row["size"],
            sha256=row["sha256"],
            partial=bool(row["partial"]),
            trashed=row["trashed"] is not None,
        ),
    )
