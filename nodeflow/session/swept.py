"""What one point of a sweep gave, and how the journal remembers it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import cast

from nodeflow.core.errors import NodeflowError
from nodeflow.core.json import JsonValue
from nodeflow.session.axes import Point, as_json
from nodeflow.session.results import Result
from nodeflow.session.sources import Value
from nodeflow.storage.journal import Entry


class Ending(StrEnum):
    """How a point ended."""

    DONE = "done"
    KEPT = "kept"
    """It was done before, and all its files are still there."""
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class PointOutput:
    """One result of a point.

    Attributes:
        type: Name of the socket type.
        value: A text, a number, a boolean or a list of such; None for everything else.
        paths: Its files.
    """

    type: str
    value: JsonValue
    paths: tuple[Path, ...]


@dataclass(frozen=True, slots=True)
class SweepPoint:
    """One point of a sweep, as it ended.

    Attributes:
        point: Its values, and its number from 1.
        outputs: By name of the result.
        files: All that was written for it.
        unchanged: Those of the files that were there already, to the last byte.
        drawn: What draws gave.
        failures: What failed; a NodeflowError that is no NodeFailed says why it could not be run at all.
        result: The run with all its values; None when it was not run this time.
    """

    point: Point
    ending: Ending
    outputs: Mapping[str, PointOutput] = field(default_factory=dict[str, PointOutput])
    files: tuple[Path, ...] = ()
    unchanged: frozenset[Path] = frozenset()
    drawn: Mapping[str, JsonValue] = field(default_factory=dict[str, JsonValue])
    failures: tuple[NodeflowError, ...] = ()
    result: Result | None = None

    @property
    def values(self) -> Mapping[str, Value]:
        """The values of this point, by input."""
        return self.point.values


def ended_point(point: Point, result: Result) -> SweepPoint:
    """A point that was run."""
    ending = Ending.CANCELLED if result.cancelled else Ending.FAILED if result.failures else Ending.DONE
    outputs = {name: PointOutput(each.type, each.json(), each.paths) for name, each in result.items()}
    written = [path for paths in result.saved.values() for path in paths]
    written += [path for output in result.values() for path in output.paths]
    files = tuple(dict.fromkeys(written))
    return SweepPoint(point, ending, outputs, files, result.unchanged, result.drawn, result.failures, result)


def noted_point(ended: SweepPoint, folder: Path) -> Entry:
    """What the journal remembers; paths are those within the folder, so that it may be moved."""
    outputs: dict[str, JsonValue] = {
        name: {"type": each.type, "value": each.value, "paths": [within(folder, path) for path in each.paths]}
        for name, each in ended.outputs.items()
    }
    values: dict[str, JsonValue] = {name: plain_value(value) for name, value in ended.values.items()}
    return {"values": values, "drawn": dict(ended.drawn), "outputs": outputs}


def kept_point(point: Point, entry: Entry, folder: Path) -> SweepPoint:
    """A point as the journal of a folder remembers it."""
    outputs = {
        name: PointOutput(
            str(each["type"]), each["value"], tuple(folder / path for path in cast("list[str]", each["paths"]))
        )
        for name, each in cast("dict[str, dict[str, JsonValue]]", entry["outputs"]).items()
    }
    files = tuple(folder / name for name in cast("dict[str, JsonValue]", entry["files"]))
    drawn = cast("dict[str, JsonValue]", entry["drawn"])
    return SweepPoint(point, Ending.KEPT, outputs, files, drawn=drawn)


def within(folder: Path, path: Path) -> str:
    """The path of a file as the journal has it."""
    return path.relative_to(folder).as_posix()


def plain_value(value: Value) -> JsonValue:
    """A value as JSON; a file by its name."""
    return as_json(value, lambda path: path.name)
