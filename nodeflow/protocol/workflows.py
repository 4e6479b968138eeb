"""Published workflows: what they take and give, and how they are called."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field, JsonValue

from nodeflow.protocol.base import Message, Moment, Name
from nodeflow.protocol.jobs import JobOptions, Key


class InputInfo(Message):
    """A value that a caller may set.

    ``type`` is that of the socket, such as ``int`` or ``str``. ``widget`` says how it is edited: ``seed``, ``text``,
    ``image_file``, …; plain inputs have none. ``value`` is what the workflow itself has in its place; a draw is
    an object.
    """

    name: str
    title: str = ""
    type: str
    required: bool = False
    value: JsonValue = None
    widget: str = ""
    lines: int | None = None
    help: str = ""


class ResultInfo(Message):
    """A result that a caller gets."""

    name: str
    title: str = ""
    type: str


class WorkflowInfo(Message):
    """One version of a published workflow; it never changes."""

    name: Name
    version: int
    title: str = ""
    note: str = ""
    """What is new in this version, in the words of whoever published it."""
    client: str
    published: Moment
    sha256: str
    """Of the document."""
    inputs: tuple[InputInfo, ...] = ()
    outputs: tuple[ResultInfo, ...] = ()


class WorkflowPage(Message):
    """Published workflows by name, the latest version of each first."""

    workflows: tuple[WorkflowInfo, ...]


class WorkflowDetail(WorkflowInfo):
    """A version with its document, and the JSON Schema of its inputs."""

    document: Mapping[str, Any]
    input_schema: Mapping[str, JsonValue]


class Publication(Message):
    """A document to publish as the next version of a workflow."""

    document: Mapping[str, Any]
    note: Annotated[str, Field(max_length=2000)] = ""


class CallRequest(JobOptions):
    """Values for a published workflow, by names of its interface."""

    inputs: Mapping[str, JsonValue] = Field(default_factory=dict[str, JsonValue])
    key: Key | None = None
    """Idempotency key: the same key with the same values is the same job, also as header ``Idempotency-Key``."""
