"""The one JSON object that tells of a run: what ``nodeflow run --json`` prints and what a server keeps of a job."""

import json
import math
from types import MappingProxyType
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, JsonValue

from nodeflow.core.errors import NodeFailed, NodeUnusable, OutOfMemory, Problem
from nodeflow.version import __version__


class Part(BaseModel):
    """A part of a report."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class OutputReport(Part):
    """One result. ``value`` is set for texts, numbers, booleans and lists of them; ``paths`` are its files."""

    type: str
    value: JsonValue
    paths: list[str]


class NodeReport(Part):
    """How one node ended, the seconds its call took, and why it did not run or gave nothing on, if it is so."""

    status: Literal["hit-memory", "hit-disk", "ran", "skipped", "failed"]
    seconds: float
    reason: str = ""


class WarningReport(Part):
    """What a node said; ``node`` is empty for the run as a whole."""

    node: str
    message: str


class FailureReport(Part):
    """A node that failed; ``traceback`` is set when the fault is the node's own."""

    node: str
    type: str
    input: str | None
    message: str
    traceback: str | None
    exit_code: int


class ProblemReport(Part):
    """One thing that is wrong with the document; ``code`` is stable."""

    code: str
    severity: Literal["error", "warning"]
    message: str
    node: str | None
    type: str | None
    input: str | None
    found: str | None
    expected: str | None
    hint: str | None


class RunReport(Part):
    """Everything about one run.

    ``outputs`` is keyed by interface name, ``saved``, ``shown`` and ``nodes`` by node id; what is shown and is neither
    text nor number is null. ``exit_code`` is that of the process.
    ``unchanged`` are those of the files that were there already, to the last byte.
    ``withheld`` tells of results that a node held back, or of items of them, why.
    ``drawn`` is what the draws of the document gave, by ``node.input``.
    ``error`` is the whole message when the run could not be carried out.
    """

    nodeflow: str = __version__
    status: Literal["ok", "failed", "cancelled", "invalid"]
    exit_code: int
    error: str | None = None
    outputs: dict[str, OutputReport] = {}
    withheld: dict[str, str] = {}
    saved: dict[str, list[str]] = {}
    unchanged: list[str] = []
    shown: dict[str, list[JsonValue]] = {}
    nodes: dict[str, NodeReport] = {}
    drawn: dict[str, JsonValue] = {}
    warnings: list[WarningReport] = []
    failures: list[FailureReport] = []
    problems: list[ProblemReport] = []

    def line(self) -> bytes:
        """The report as one line of JSON in UTF-8."""
        return json.dumps(self.model_dump(mode="json"), ensure_ascii=False).encode("utf-8", "replace") + b"\n"


def problem_report(problem: Problem) -> ProblemReport:
    """A problem as JSON has it."""
    return ProblemReport.model_validate(problem, from_attributes=True)


def failure_report(failure: NodeFailed) -> FailureReport:
    """A failure as JSON has it."""
    return FailureReport.model_validate(failure, from_attributes=True)


def problem_of(report: ProblemReport) -> Problem:
    """The problem that a report tells of."""
    return Problem(**report.model_dump())


def failure_of(report: FailureReport) -> NodeFailed:
    """The failure that a report tells of, as the error it was."""
    kind = _FAILURES.get(report.exit_code, NodeFailed)
    return kind(report.node, report.type, report.message, input=report.input, traceback=report.traceback)


_FAILURES: Final = MappingProxyType({kind.exit_code: kind for kind in (NodeFailed, OutOfMemory, NodeUnusable)})


def finite(value: JsonValue) -> JsonValue:
    """JSON has no NaN and no infinity; they become null."""
    match value:
        case float() if not math.isfinite(value):
            return None
        case list():
            return [finite(member) for member in value]
        case dict():
            return {name: finite(member) for name, member in value.items()}
        case _:
            return value
