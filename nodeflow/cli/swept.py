"""The one JSON object that ``nodeflow sweep --json`` prints; its schema is checked in as ``sweep.schema.json``."""

import json
from pathlib import Path
from typing import Literal

from pydantic import Field, JsonValue

from nodeflow.core.errors import InvalidDocument, NodeFailed, NodeflowError
from nodeflow.core.exitcodes import exit_code
from nodeflow.protocol.report import (
    FailureReport,
    OutputReport,
    Part,
    ProblemReport,
    failure_report,
    finite,
    problem_report,
)
from nodeflow.session.axes import Point
from nodeflow.session.swept import SweepPoint, plain_value
from nodeflow.version import __version__

SCHEMA = Path(__file__).with_name("sweep.schema.json")


class PointReport(Part):
    """One point. ``kept`` means that it was done before, and ``waiting`` that it has not been run.

    ``label`` stands in the names of its files. ``error`` says why it could not be run at all.
    """

    index: int
    values: dict[str, JsonValue]
    label: str
    status: Literal["done", "kept", "failed", "cancelled", "waiting"]
    outputs: dict[str, OutputReport] = Field(default_factory=dict[str, OutputReport])
    files: list[str] = Field(default_factory=list[str])
    unchanged: list[str] = Field(default_factory=list[str])
    drawn: dict[str, JsonValue] = Field(default_factory=dict[str, JsonValue])
    failures: list[FailureReport] = Field(default_factory=list[FailureReport])
    error: str | None = None


class SweepReport(Part):
    """Everything about one sweep.

    ``axes`` are the inputs that were varied, those of one axis together; the last axis changes fastest. ``sheets`` are
    the contact sheets. ``exit_code`` is that of the process. ``error`` is the whole message when nothing could be run.
    """

    nodeflow: str = __version__
    status: Literal["ok", "failed", "cancelled", "invalid"]
    exit_code: int
    error: str | None = None
    axes: list[list[str]] = Field(default_factory=list[list[str]])
    points: list[PointReport] = Field(default_factory=list[PointReport])
    sheets: list[str] = Field(default_factory=list[str])
    problems: list[ProblemReport] = Field(default_factory=list[ProblemReport])

    def line(self) -> bytes:
        """The report as one line of JSON in UTF-8."""
        return json.dumps(self.model_dump(mode="json"), ensure_ascii=False).encode("utf-8", "replace") + b"\n"


def point_report(point: Point, ended: SweepPoint | None) -> PointReport:
    """A point as it ended; None where it was not run."""
    values = {name: plain_value(value) for name, value in point.values.items()}
    if ended is None:
        return PointReport(index=point.index, values=values, label=point.label, status="waiting")
    return PointReport(
        index=point.index,
        values=values,
        label=point.label,
        status=ended.ending.value,
        outputs={
            name: OutputReport(type=each.type, value=finite(each.value), paths=[str(path) for path in each.paths])
            for name, each in ended.outputs.items()
        },
        files=[str(path) for path in ended.files],
        unchanged=sorted(map(str, ended.unchanged)),
        drawn=dict(ended.drawn),
        failures=[failure_report(failure) for failure in ended.failures if isinstance(failure, NodeFailed)],
        error=next((str(failure) for failure in ended.failures if not isinstance(failure, NodeFailed)), None),
    )


def sweep_report_of_error(error: NodeflowError) -> SweepReport:
    """A sweep that could not be carried out."""
    problems = error.problems if isinstance(error, InvalidDocument) else ()
    return SweepReport(
        status="invalid" if problems else "failed",
        exit_code=exit_code(error),
        error=str(error),
        problems=[problem_report(problem) for problem in problems],
    )


def schema_text() -> str:
    """The JSON Schema of the report, as the checked-in file has it."""
    return json.dumps(SweepReport.model_json_schema(mode="serialization"), indent=1) + "\n"
