"""What may be done to jobs that wait, and to jobs that are over."""

from sqlalchemy import Connection, delete, func, select, update

from nodeflow.protocol.jobs import JobState
from nodeflow.storage.database.records import Moved
from nodeflow.storage.database.running import cancel
from nodeflow.storage.database.tables import jobs, outputs, queue


def prioritise(connection: Connection, job: str, priority: int) -> bool:
    """Gives a queued job another priority; False when it is not queued."""
    if _rank(connection, job) is None:
        return False
    connection.execute(update(jobs).where(jobs.c.id == job).values(priority=priority))
    return True


def reorder(connection: Connection, job: str, before: str) -> bool:
    """Puts a queued job in front of another one, or at the end.

    It takes over the priority of that one, since otherwise it would not get there.

    Args:
        connection: Where they are.
        job: What is moved.
        before: The job in front of which it goes; empty for the end.

    Returns:
        False, and nothing is changed, when one of them is not queued.
    """
    if _rank(connection, job) is None:
        return False
    if job == before:
        return True
    if not before:
        _place(connection, job, _edge(connection) + 1.0)
        return True
    after = _rank(connection, before)
    if after is None:
        return False
    _place(connection, job, _rank_before(connection, before, after))
    priority = select(jobs.c.priority).where(jobs.c.id == before).scalar_subquery()
    connection.execute(update(jobs).where(jobs.c.id == job).values(priority=priority))
    return True


def remove(connection: Connection, job: str) -> bool:
    """Deletes a job that is over with its events, report and values; its files stay. False when it is not over."""
    if connection.execute(delete(jobs).where(jobs.c.id == job, jobs.c.finished.is_not(None))).rowcount == 0:
        return False
    connection.execute(delete(outputs).where(outputs.c.job == job, outputs.c.path == ""))
    return True


def clear_queued(connection: Connection, client: str | None, now: float) -> tuple[Moved, ...]:
    """Cancels all queued jobs of a client, or of all clients."""
    asked = select(queue.c.job, jobs.c.client).join_from(queue, jobs, queue.c.job == jobs.c.id).order_by(queue.c.rank)
    if client is not None:
        asked = asked.where(jobs.c.client == client)
    moved: list[Moved] = []
    for id, whose in connection.execute(asked).all():
        cancelled = cancel(connection, id, now)
        moved.append(Moved(id, whose, JobState.CANCELLED, cancelled.events if cancelled is not None else ()))
    return tuple(moved)


def _rank(connection: Connection, job: str) -> float | None:
    return connection.execute(select(queue.c.rank).where(queue.c.job == job)).scalar()


def _edge(connection: Connection) -> float:
    return connection.execute(select(func.coalesce(func.max(queue.c.rank), 0.0))).scalar_one()


def _place(connection: Connection, job: str, rank: float) -> None:
    connection.execute(update(queue).where(queue.c.job == job).values(rank=rank))


def _rank_before(connection: Connection, before: str, after: float) -> float:
    """A rank between a job and the one in front of it; all ranks are spread anew when there is none left."""
    front = connection.execute(select(func.max(queue.c.rank)).where(queue.c.rank < after)).scalar()
    if front is None:
        return after - 1.0
    middle = (front + after) / 2
    if front < middle < after:
        return middle
    order = connection.execute(select(queue.c.job).order_by(queue.c.rank, queue.c.job)).scalars().all()
    for rank, job in enumerate(order):
        _place(connection, job, float(rank))
    return order.index(before) - 0.5
