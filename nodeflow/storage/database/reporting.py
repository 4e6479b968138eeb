"""A job as the shell tells of a run."""

from typing import Final

from sqlalchemy import Connection, bindparam, select

from nodeflow.protocol.jobreport import JobFile, JobReport
from nodeflow.protocol.jobs import JobError, JobState
from nodeflow.protocol.report import RunReport
from nodeflow.storage.database import outputs
from nodeflow.storage.database.adding import PROBLEMS
from nodeflow.storage.database.tables import jobs, reports, requests

_REPORT: Final = (
    select(jobs.c.client, jobs.c.state, requests.c.problems, requests.c.drawn, reports.c.report, reports.c.error)
    .join_from(jobs, requests, jobs.c.id == requests.c.job)
    .outerjoin(reports, jobs.c.id == reports.c.job)
    .where(jobs.c.id == bindparam("of"))
)


def job_report(connection: Connection, job: str, client: str | None) -> JobReport | None:
    """How a job went; None when there is none, or when it is not this client's. ``client`` None sees all."""
    row = connection.execute(_REPORT, {"of": job}).mappings().first()
    if row is None or (client is not None and row["client"] != client):
        return None
    return JobReport(
        job=job,
        state=JobState(row["state"]),
        problems=PROBLEMS.validate_json(row["problems"]),
        drawn=row["drawn"],
        report=None if row["report"] is None else RunReport.model_validate_json(row["report"]),
        error=None if row["error"] is None else JobError.model_validate_json(row["error"]),
        files=tuple(
            [
                JobFile(
                    id=output.id,
                    path=output.path,
                    media_type=output.info.media_type,
                    bytes=output.info.bytes,
                    sha256=output.sha256,
                    trashed=output.info.trashed,
                )
                for output in outputs.of_job(connection, job)
                if output.path
            ]
        ),
    )
