"""Queued jobs as another server can take them in."""

import json
from collections.abc import Sequence

from sqlalchemy import Connection

from nodeflow.protocol.jobs import JobState
from nodeflow.protocol.queue import QueuedJob
from nodeflow.storage.database.running import work


def export_jobs(connection: Connection, ids: Sequence[str]) -> tuple[QueuedJob, ...]:
    """Those of some jobs that are queued; they stay in the queue."""
    found = [work(connection, id) for id in ids]
    return tuple(
        [
            QueuedJob(
                client=job.client,
                document=json.loads(job.document),
                options=job.options,
                targets=job.targets,
                title=job.title,
                workflow=job.workflow,
                inputs=job.inputs,
                drawn=job.drawn,
            )
            for job in found
            if job is not None and job.state is JobState.QUEUED
        ]
    )
