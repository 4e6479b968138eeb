"""What goes into the store and comes out of it, where no message of the protocol says it already."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from pydantic import JsonValue

from nodeflow.core.errors import NodeflowError
from nodeflow.protocol.events import JobEvent
from nodeflow.protocol.jobs import JobError, JobOptions, JobState
from nodeflow.protocol.report import ProblemReport, RunReport


@dataclass(frozen=True, slots=True)
class NewJob:
    """A job to be queued.

    Attributes:
        document: The complete document in canonical JSON: inputs filled in, draws made.
        point: Its number within its sweep.
        key: Idempotency key of the client; ``body_digest`` tells whether it came with the same body.
        inputs: What the client filled in, as it came.
        drawn: What the draws gave, by ``node.input``.
        problems: Warnings about the document.
        models: Model files it needs, as ``Beat.models`` names them, so that a worker that holds them may be preferred.
        retry_of: The job that it repeats.
    """

    id: str
    client: str
    document: bytes
    created: float
    title: str = ""
    workflow: str = ""
    sweep: str = ""
    point: int | None = None
    key: str | None = None
    body_digest: str = ""
    options: JobOptions = field(default_factory=JobOptions)
    targets: tuple[str, ...] | None = None
    inputs: Mapping[str, JsonValue] = field(default_factory=dict[str, JsonValue])
    drawn: Mapping[str, JsonValue] = field(default_factory=dict[str, JsonValue])
    problems: tuple[ProblemReport, ...] = ()
    models: tuple[str, ...] = ()
    retry_of: str = ""


@dataclass(frozen=True, slots=True)
class Added:
    """What became of a submission: a new job, or the one that the same key had made before (``events`` is empty)."""

    id: str
    new: bool
    events: tuple[JobEvent, ...] = ()


@dataclass(frozen=True, slots=True)
class Queued:
    """What decides when a job's turn is."""

    id: str
    client: str
    priority: int
    rank: float
    sweep: str = ""
    models: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Work:
    """What a worker needs to run a job, and what a retry repeats."""

    id: str
    client: str
    state: JobState
    attempt: int
    document: bytes
    options: JobOptions
    targets: tuple[str, ...] | None
    title: str
    workflow: str
    sweep: str
    point: int | None
    inputs: Mapping[str, JsonValue]
    drawn: Mapping[str, JsonValue]
    problems: tuple[ProblemReport, ...]
    models: tuple[str, ...]
    created: float

    def again(self, id: str, created: float) -> NewJob:
        """A new job that does the same."""
        return NewJob(
            id=id,
            client=self.client,
            document=self.document,
            created=created,
            title=self.title,
            workflow=self.workflow,
            sweep=self.sweep,
            point=self.point,
            options=self.options,
            targets=self.targets,
            inputs=self.inputs,
            drawn=self.drawn,
            problems=self.problems,
            models=self.models,
            retry_of=self.id,
        )


@dataclass(frozen=True, slots=True)
class Begun:
    """An attempt that has begun."""

    attempt: int
    events: tuple[JobEvent, ...]


@dataclass(frozen=True, slots=True)
class NewOutput:
    """One file that a job gave, or one value; ``path`` is within the client's output folder, empty for a value."""

    id: str
    name: str
    node: str
    type: str
    value: JsonValue = None
    path: str = ""
    media_type: str = ""
    bytes: int = 0
    sha256: str = ""
    partial: bool = False


@dataclass(frozen=True, slots=True)
class Ending:
    """How an attempt ended that its worker told the end of, or that was stopped at its deadline.

    Attributes:
        state: succeeded, failed or cancelled.
    """

    state: JobState
    report: RunReport | None = None
    outputs: Sequence[NewOutput] = ()
    error: JobError | None = None


@dataclass(frozen=True, slots=True)
class Moved:
    """A job after a change of its state; ``events`` is what was written about it."""

    id: str
    client: str
    state: JobState
    events: tuple[JobEvent, ...] = ()


@dataclass(frozen=True, slots=True)
class Cancelled:
    """``before``: QUEUED is cancelled now, RUNNING is marked only, a final state stays."""

    before: JobState
    events: tuple[JobEvent, ...] = ()


class KeyReused(NodeflowError):
    """An idempotency key came again with another body; ``id`` is the job (or sweep) it had made."""

    def __init__(self, id: str) -> None:
        self.id = id
        super().__init__(f"the key was used for {id} with another body")


class QueueFull(NodeflowError):
    """No room for another job."""

    def __init__(self, queued: int, limit: int) -> None:
        self.queued = queued
        self.limit = limit
        super().__init__(f"{queued} jobs are queued, of at most {limit}")
