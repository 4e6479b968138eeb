"""The one JSON object that ``nodeflow run --json`` prints; its schema is checked in as ``result.schema.json``."""

import json
import math
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, JsonValue

from nodeflow.cli.messages import exit_code
from nodeflow.core.errors import InvalidDocument, NodeFailed, NodeflowError, Problem
from nodeflow.session import Output, Result, results
from nodeflow.session.results import plain
from nodeflow.version import __version__

SCHEMA = Path(__file__).with_name("result.schema.json")


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


def report_of(result: Result, problems: Sequence[Problem], code: int) -> RunReport:
    """A run that was carried out, to its end or not."""
    return RunReport(
        status="cancelled" if result.cancelled else "failed" if result.failures else "ok",
        exit_code=code,
        outputs={name: _output(output) for name, output in result.items()},
        saved={node: [str(path) for path in paths] for node, paths in result.saved.items()},
        unchanged=sorted(map(str, result.unchanged)),
        shown={node: [finite(plain(value)) for value in values] for node, values in result.shown.items()},
        withheld=dict(result.withheld),
        nodes={node: _node(each) for node, each in result.nodes.items()},
        drawn=dict(result.drawn),
        warnings=[WarningReport(node=node, message=message) for node, message in result.warnings],
        failures=[failure_report(failure) for failure in result.failures],
        problems=[problem_report(problem) for problem in problems],
    )


def report_of_error(error: NodeflowError) -> RunReport:
    """A run that could not be carried out."""
    problems = error.problems if isinstance(error, InvalidDocument) else ()
    return RunReport(
        status="invalid" if problems else "failed",
        exit_code=exit_code(error),
        error=str(error),
        failures=[failure_report(error)] if isinstance(error, NodeFailed) else [],
        problems=[problem_report(problem) for problem in problems],
    )


def problem_report(problem: Problem) -> ProblemReport:
    """A problem as JSON has it."""
    return ProblemReport.model_validate(problem, from_attributes=True)


def schema_text() -> str:
    """The JSON Schema of the report, as the checked-in file has it."""
    return json.dumps(RunReport.model_json_schema(mode="serialization"), indent=1) + "\n"


def _output(output: Output) -> OutputReport:
    return OutputReport(type=output.type, value=finite(output.json()), paths=[str(path) for path in output.paths])


def _node(node: results.NodeReport) -> NodeReport:
    return NodeReport.model_validate({**asdict(node), "seconds": round(node.seconds, 6)})


def failure_report(failure: NodeFailed) -> FailureReport:
    """A failure as JSON has it."""
    return FailureReport.model_validate(failure, from_attributes=True)


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
