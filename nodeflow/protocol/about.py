"""What a server is, and what would run of a document."""

from collections.abc import Mapping
from typing import Any

from pydantic import Field, JsonValue

from nodeflow.protocol.base import Message
from nodeflow.protocol.report import ProblemReport


class Version(Message):
    """What runs here. ``published_only``: no documents are taken, only calls of published workflows."""

    nodeflow: str
    api: str = "v1"
    published_only: bool = False


class ExplainRequest(Message):
    """A document, and what fills it in."""

    document: Mapping[str, Any]
    inputs: Mapping[str, JsonValue] = Field(default_factory=dict[str, JsonValue])
    targets: tuple[str, ...] | None = None


class NodeOutlook(Message):
    """What would become of a node. ``state`` and ``reasons`` are those of ``nodeflow explain``."""

    node: str
    type: str
    state: str
    reasons: tuple[str, ...] = ()


class Explanation(Message):
    """What would run, and why; also for a document that cannot run, whose problems are told."""

    nodes: tuple[NodeOutlook, ...]
    problems: tuple[ProblemReport, ...] = ()
