"""Jobs as clients submit and see them."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any

from pydantic import Field, JsonValue

from nodeflow.protocol.base import JobId, Message, Moment, Name
from nodeflow.protocol.report import NodeReport, WarningReport

Priority = Annotated[int, Field(ge=-100, le=100)]
Key = Annotated[str, Field(min_length=1, max_length=200)]


class JobState(StrEnum):
    """Where a job is; of the last three exactly one is reached, once."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def final(self) -> bool:
        """Nothing follows."""
        return self in (JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED)


class JobOptions(Message):
    """How a job is carried out; the same for single jobs, for calls of workflows and for sweeps."""

    priority: Priority = 0
    webhook: Annotated[str, Field(max_length=2000)] | None = None
    deadline: Annotated[float, Field(gt=0, le=7 * 86_400)] | None = None
    """Seconds an attempt may take, from its start."""
    metadata: Mapping[str, JsonValue] = Field(default_factory=dict[str, JsonValue])
    """Kept and given back as it is; at most 16 KiB."""
    strict: bool = False
    previews: bool = False
    refresh: bool | tuple[str, ...] = False
    embed: bool = True
    """Put document and record into pictures."""
    label: Annotated[str, Field(max_length=1000, pattern=r"^[\w.+-]*$")] = ""
    """Stands in the names of all files of the job, before their number."""


class JobRequest(JobOptions):
    """A document to run, and what fills it in."""

    document: Mapping[str, Any]
    inputs: Mapping[str, JsonValue] = Field(default_factory=dict[str, JsonValue])
    targets: tuple[str, ...] | None = None
    key: Key | None = None
    """Idempotency key: the same key with the same body is the same job, also as header ``Idempotency-Key``."""


class OutputInfo(Message):
    """One file of a job, or one value.

    ``id`` is what ``/outputs/{id}`` takes; empty for a value that is in no file. ``partial`` marks what a failed or
    cancelled job leaves. ``trashed`` marks a file that was put into the trash.
    """

    id: str = ""
    name: str
    """Name in the workflow's interface, or ``node.output``; empty for a file that only a node knows of."""
    node: str = ""
    type: str
    value: JsonValue = None
    media_type: str = ""
    file: str = ""
    """File name, without folder."""
    bytes: int = 0
    sha256: str = ""
    partial: bool = False
    trashed: bool = False


class JobError(Message):
    """Why a job failed. ``code``: node.failed, node.memory, pack.failed, document.invalid, document.missing-file,
    request.invalid, deadline, worker_lost or server.error.
    """

    code: str
    message: str
    node: str = ""
    type: str = ""
    input: str = ""
    hint: str = ""


class AttemptInfo(Message):
    """One run of a job on a worker. ``ending``: running, succeeded, failed, cancelled, worker_lost, deadline."""

    number: int
    worker: str
    started: Moment
    ended: Moment | None = None
    ending: str = "running"
    reason: str = ""


class JobSummary(Message):
    """A job in a list."""

    id: JobId
    state: JobState
    client: str
    title: str = ""
    workflow: str = ""
    """``name@version`` when it came from a published workflow."""
    sweep: str = ""
    priority: int = 0
    position: int | None = None
    """Jobs in front of it, while it is queued."""
    created: Moment
    started: Moment | None = None
    finished: Moment | None = None
    node: str = ""
    """The node that is being called."""
    step: int | None = None
    steps: int | None = None
    metadata: Mapping[str, JsonValue] = Field(default_factory=dict[str, JsonValue])


class JobInfo(JobSummary):
    """Everything about a job."""

    deadline: float | None = None
    attempts: tuple[AttemptInfo, ...] = ()
    nodes: Mapping[str, NodeReport] = Field(default_factory=dict[str, NodeReport])
    cache_hits: int = 0
    warnings: tuple[WarningReport, ...] = ()
    shown: Mapping[str, tuple[JsonValue, ...]] = Field(default_factory=dict[str, tuple[JsonValue, ...]])
    drawn: Mapping[str, JsonValue] = Field(default_factory=dict[str, JsonValue])
    withheld: Mapping[str, str] = Field(default_factory=dict[str, str])
    outputs: Mapping[str, tuple[OutputInfo, ...]] = Field(default_factory=dict[str, tuple[OutputInfo, ...]])
    """By interface name; files that only nodes know of are under the node's id."""
    error: JobError | None = None


class JobPage(Message):
    """A part of a list; ``next`` is the ``after`` of the following one."""

    jobs: tuple[JobSummary, ...]
    next: str | None = None
    total: int


class JobChange(Message):
    """What may be changed of a queued job. ``before``: the job in front of which it goes; empty for the end."""

    priority: Priority | None = None
    before: str | None = None


class QueueInfo(Message):
    """The queue as a whole."""

    paused: bool
    queued: int
    running: int
    limit: int
    workers: tuple["WorkerInfo", ...]


class Cleared(Message):
    """What clearing the queue has done."""

    cancelled: int


class WorkerInfo(Message):
    """A worker process. ``state``: starting, idle, busy, restarting."""

    name: Name
    device: str
    state: str
    job: str = ""
    pid: int | None = None
    models: tuple[str, ...] = ()
    memory: int = 0
    """Bytes of results and models it holds."""
    restarts: int = 0
    problem: str = ""
    """Why it cannot work, when it cannot."""
