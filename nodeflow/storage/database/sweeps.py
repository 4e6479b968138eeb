"""Sweeps: many jobs asked for at once, that are one thing to their client."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from pydantic import JsonValue
from sqlalchemy import Connection, bindparam, delete, func, insert, select, update

from nodeflow.protocol.jobs import JobState
from nodeflow.storage.database.records import KeyReused
from nodeflow.storage.database.tables import IN_SWEEP, jobs, sweeps


@dataclass(frozen=True, slots=True, kw_only=True)
class Sweep:
    """A sweep; its jobs name it.

    Attributes:
        plan: What is varied and how, as the routes of sweeps write it.
        points: How many jobs it has.
        finished: When the last thing about it was done: all jobs over, sheets laid out.
    """

    id: str
    client: str
    created: float
    plan: Mapping[str, JsonValue]
    points: int
    title: str = ""
    workflow: str = ""
    key: str | None = None
    body_digest: str = ""
    finished: float | None = None


_COLUMNS: Final = (
    sweeps.c.id,
    sweeps.c.client,
    sweeps.c.created,
    sweeps.c.plan,
    sweeps.c.points,
    sweeps.c.title,
    sweeps.c.workflow,
    sweeps.c.key,
    sweeps.c.body_digest,
    sweeps.c.finished,
)
_BY_KEY: Final = select(sweeps.c.id, sweeps.c.body_digest).where(
    sweeps.c.client == bindparam("whose"), sweeps.c.key == bindparam("which")
)


def known(connection: Connection, client: str, key: str | None, body_digest: str) -> str | None:
    """The sweep that this key has made before.

    Raises:
        KeyReused: The key came with another body then.
    """
    row = None if key is None else connection.execute(_BY_KEY, {"whose": client, "which": key}).first()
    if row is None:
        return None
    id, digest = row
    if digest != body_digest:
        raise KeyReused(id)
    return id


def add(connection: Connection, sweep: Sweep) -> None:
    """Keeps a sweep; its jobs are added by ``jobs.add_many`` in the same change."""
    connection.execute(insert(sweeps), {column.name: getattr(sweep, column.name) for column in _COLUMNS})


def find(connection: Connection, id: str, client: str | None) -> Sweep | None:
    """A sweep; None when there is none, or when it is not this client's. ``client`` None sees all."""
    row = connection.execute(select(*_COLUMNS).where(sweeps.c.id == id)).mappings().first()
    if row is None or (client is not None and row["client"] != client):
        return None
    return Sweep(**row)


def page(
    connection: Connection, *, client: str | None, after: str | None = None, limit: int = 100
) -> tuple[Sweep, ...]:
    """Sweeps, the latest first, from behind ``after`` on."""
    asked = select(*_COLUMNS).order_by(sweeps.c.id.desc()).limit(limit)
    if client is not None:
        asked = asked.where(sweeps.c.client == client)
    if after is not None:
        asked = asked.where(sweeps.c.id < after)
    return tuple([Sweep(**row) for row in connection.execute(asked).mappings()])


def points(connection: Connection, id: str) -> tuple[tuple[int, str, JobState], ...]:
    """Number, job and state of each point, in order; of a point that was retried all its jobs."""
    asked = select(jobs.c.point, jobs.c.id, jobs.c.state).where(jobs.c.sweep == id, IN_SWEEP)
    rows = connection.execute(asked.order_by(jobs.c.id)).all()
    return tuple([(point or 0, job, JobState(state)) for point, job, state in rows])


def counts(connection: Connection, id: str) -> Mapping[JobState, int]:
    """How many of its jobs are in each state."""
    asked = select(jobs.c.state, func.count()).where(jobs.c.sweep == id, IN_SWEEP).group_by(jobs.c.state)
    found = {JobState(state): number for state, number in connection.execute(asked)}
    return {state: found.get(state, 0) for state in JobState}


def unfinished(connection: Connection) -> tuple[Sweep, ...]:
    """Sweeps about which something is still to be done, the oldest first."""
    asked = select(*_COLUMNS).where(sweeps.c.finished.is_(None)).order_by(sweeps.c.id)
    return tuple([Sweep(**row) for row in connection.execute(asked).mappings()])


def finish(connection: Connection, id: str, now: float) -> bool:
    """Notes that nothing is left to be done; False when that was so already."""
    done = connection.execute(update(sweeps).where(sweeps.c.id == id, sweeps.c.finished.is_(None)).values(finished=now))
    return done.rowcount == 1


def remove(connection: Connection, id: str) -> bool:
    """Deletes a sweep; its jobs stay."""
    return connection.execute(delete(sweeps).where(sweeps.c.id == id)).rowcount == 1
