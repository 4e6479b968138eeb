"""The queue as a file."""

import json

from sqlalchemy import Connection

from nodeflow.protocol.ids import new_id
from nodeflow.protocol.queue import QueuedJob, QueueExport
from nodeflow.storage.database.adding import add_many
from nodeflow.storage.database.listing import queued
from nodeflow.storage.database.records import Added, NewJob
from nodeflow.storage.database.running import work


def export_queue(connection: Connection, client: str | None) -> QueueExport:
    """The queued jobs of a client, or of all; they stay in the queue."""
    waiting = [job.id for job in queued(connection) if client in (None, job.client)]
    found = [work(connection, id) for id in waiting]
    return QueueExport(
        jobs=tuple(
            [
                QueuedJob(
                    document=json.loads(job.document),
                    options=job.options,
                    targets=job.targets,
                    title=job.title,
                    workflow=job.workflow,
                    inputs=job.inputs,
                    drawn=job.drawn,
                )
                for job in found
                if job is not None
            ]
        )
    )


def import_queue(
    connection: Connection, exported: QueueExport, client: str, now: float, *, limit: int
) -> tuple[Added, ...]:
    """Queues all of an export as jobs of this client, or nothing of it. Their documents must have been checked.

    Raises:
        QueueFull: They do not fit below ``limit``.
    """
    new = [
        NewJob(
            id=new_id(),
            client=client,
            document=json.dumps(job.document, separators=(",", ":")).encode(),
            created=now,
            title=job.title,
            workflow=job.workflow,
            options=job.options,
            targets=job.targets,
            inputs=job.inputs,
            drawn=job.drawn,
        )
        for job in exported.jobs
    ]
    return add_many(connection, new, limit=limit)
