"""The queue as a file: what waits on one server may go on waiting on another."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, JsonValue

from nodeflow.protocol.base import JobId, Message, Name
from nodeflow.protocol.jobs import JobOptions


class QueuedJob(Message):
    """A queued job with its document as it would be run, inputs filled in and draws made."""

    client: Name
    document: Mapping[str, Any]
    options: JobOptions = JobOptions()
    targets: tuple[str, ...] | None = None
    title: str = ""
    workflow: str = ""
    inputs: Mapping[str, JsonValue] = Field(default_factory=dict[str, JsonValue])
    drawn: Mapping[str, JsonValue] = Field(default_factory=dict[str, JsonValue])


class Imported(Message):
    """The jobs that an import has made, in its order."""

    jobs: tuple[JobId, ...]


class QueueExport(Message):
    """Queued jobs in their order; imported, they get ids of their own and belong to the clients of the same names."""

    nodeflow: Literal[1] = 1
    jobs: Annotated[tuple[QueuedJob, ...], Field(max_length=100_000)]
