"""Where jobs stand, for those who are about to follow many of them."""

from collections.abc import Collection, Mapping

from sqlalchemy import Connection, select

from nodeflow.protocol.jobs import JobState
from nodeflow.storage.database.tables import jobs


def standing(connection: Connection, ids: Collection[str], client: str | None) -> Mapping[str, JobState]:
    """The states of those among ``ids`` that are there and that ``client`` may see; None sees all."""
    asked = select(jobs.c.id, jobs.c.state).where(jobs.c.id.in_(ids))
    if client is not None:
        asked = asked.where(jobs.c.client == client)
    return {id: JobState(state) for id, state in connection.execute(asked)}
