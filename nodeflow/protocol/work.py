"""What server and worker say to each other, over one stream socket.

A frame is 4 bytes of length of the head, 4 bytes of length of the body (big endian), the head (JSON of one of the
messages below) and the body: the document of ``Run``, ``Prewarm`` and ``Explain`` as the bytes that it came in, the
picture of ``Preview``, else nothing.
"""

from collections.abc import Mapping
from typing import Annotated, Literal, TypeAlias

from pydantic import Field, JsonValue, TypeAdapter

from nodeflow.protocol.base import Message, Moment
from nodeflow.protocol.report import RunReport


class Run(Message):
    """Server to worker: run this job. A worker has at most one at a time.

    The body is the document, complete: inputs filled in, draws made.
    """

    type: Literal["run"] = "run"
    job: str
    attempt: int
    targets: tuple[str, ...] | None = None
    strict: bool = False
    previews: bool = False
    refresh: bool | tuple[str, ...] = False
    embed: bool = True
    label: str = ""
    input_dirs: tuple[str, ...] = ()
    output_dir: str


class Cancel(Message):
    """Server to worker: stop this job within one step; nothing happens when it is not the one that runs."""

    type: Literal["cancel"] = "cancel"
    job: str


class Prewarm(Message):
    """Server to worker: compute what this document (the body) computes, so that models are in memory and ready.

    No file is written and no outside service is called.
    """

    type: Literal["prewarm"] = "prewarm"
    ask: str
    input_dirs: tuple[str, ...] = ()
    output_dir: str


class Explain(Message):
    """Server to worker: what would run of this document, the body."""

    type: Literal["explain"] = "explain"
    ask: str
    inputs: Mapping[str, JsonValue] = Field(default_factory=dict[str, JsonValue])
    targets: tuple[str, ...] | None = None
    input_dirs: tuple[str, ...] = ()
    output_dir: str


class SheetPoint(Message):
    """A point of a sweep and its files, which are within the output folder.

    ``place`` is its step on each axis, from 0; ``outputs`` are files by interface name.
    """

    place: tuple[int, ...]
    outputs: Mapping[str, tuple[str, ...]] = Field(default_factory=dict[str, tuple[str, ...]])
    files: tuple[str, ...] = ()


class Sheet(Message):
    """Server to worker: lay out the pictures of a sweep; the answer's value is a list of ``File``.

    An axis is its steps, each of which gives one or more inputs a value.
    """

    type: Literal["sheet"] = "sheet"
    ask: str
    axes: tuple[tuple[Mapping[str, JsonValue], ...], ...]
    points: tuple[SheetPoint, ...]
    stem: str
    output_dir: str


class Stop(Message):
    """Server to worker: end, the running job within one step."""

    type: Literal["stop"] = "stop"


class Ready(Message):
    """Worker to server: the device is there, questions may come."""

    type: Literal["ready"] = "ready"
    device: str
    devices: tuple[str, ...] = ()
    """All that this machine has, for a worker that was to choose one itself."""


class Warm(Message):
    """Worker to server: what takes seconds to be imported is in memory, jobs may come."""

    type: Literal["warm"] = "warm"


class Refused(Message):
    """Worker to server: it cannot work at all, and ends; why, and the way out."""

    type: Literal["refused"] = "refused"
    message: str


class Beat(Message):
    """Worker to server, every second from a thread of its own: alive; what it holds."""

    type: Literal["beat"] = "beat"
    memory: int = 0
    """Bytes of results and models."""
    models: tuple[str, ...] = ()
    """Names of the model files that are in memory, as documents name them: ``checkpoints/emoji-tiny.safetensors``."""


class Occurrence(Message):
    """One event of a job; ``kind`` and ``data`` as in ``protocol.events``."""

    kind: str
    data: Mapping[str, JsonValue] = Field(default_factory=dict[str, JsonValue])
    at: Moment


class Happened(Message):
    """Worker to server: events of the job, in their order."""

    type: Literal["event"] = "event"
    job: str
    attempt: int
    events: tuple[Occurrence, ...]


class Preview(Message):
    """Worker to server: a picture of a step; the body is the JPEG or WebP."""

    type: Literal["preview"] = "preview"
    job: str
    node: str
    step: int
    total: int | None = None
    media_type: str = "image/jpeg"


class File(Message):
    """A file that a job wrote; ``path`` is within its output folder."""

    path: str
    media_type: str
    bytes: int
    sha256: str


class Done(Message):
    """Worker to server: the job has ended; its files are on disk."""

    type: Literal["done"] = "done"
    job: str
    attempt: int
    report: RunReport
    """Paths in it are within the output folder."""
    files: tuple[File, ...] = ()
    models: tuple[str, ...] = ()


class Answer(Message):
    """Worker to server: what ``explain``, ``sheet`` or ``prewarm`` gave, or why it could not."""

    type: Literal["answer"] = "answer"
    ask: str
    value: JsonValue = None
    error: str = ""


ToWorker: TypeAlias = Annotated[Run | Cancel | Prewarm | Explain | Sheet | Stop, Field(discriminator="type")]
FromWorker: TypeAlias = Annotated[
    Ready | Warm | Refused | Beat | Happened | Preview | Done | Answer, Field(discriminator="type")
]
TO_WORKER: TypeAdapter[Run | Cancel | Prewarm | Explain | Sheet | Stop] = TypeAdapter(ToWorker)
FROM_WORKER: TypeAdapter[Ready | Warm | Refused | Beat | Happened | Preview | Done | Answer] = TypeAdapter(FromWorker)
