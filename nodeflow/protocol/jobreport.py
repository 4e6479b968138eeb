"""How a job went, as the shell tells it: what ``nodeflow run --server`` prints is made of this."""

from collections.abc import Mapping

from pydantic import Field, JsonValue

from nodeflow.protocol.base import JobId, Message
from nodeflow.protocol.jobs import JobError, JobState
from nodeflow.protocol.report import ProblemReport, RunReport


class JobFile(Message):
    """A file that a job has written; ``path`` is within the output folder, ``id`` what ``/outputs/{id}`` takes."""

    id: str
    path: str
    media_type: str
    bytes: int
    sha256: str
    trashed: bool = False


class JobReport(Message):
    """A job as a run.

    ``problems`` and ``drawn`` are there from the start. ``report`` is null until the job has ended, and for one that
    ended without a run of its own: lost with its worker, over its deadline, cancelled in the queue; ``error`` says so.
    """

    job: JobId
    state: JobState
    problems: tuple[ProblemReport, ...] = ()
    drawn: Mapping[str, JsonValue] = Field(default_factory=dict[str, JsonValue])
    report: RunReport | None = None
    error: JobError | None = None
    files: tuple[JobFile, ...] = ()
