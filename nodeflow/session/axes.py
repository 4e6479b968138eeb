"""What a sweep varies: inputs with their values, and the points that these make together."""

import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Final, cast

from nodeflow.core.canonical import number_text, record_text
from nodeflow.core.errors import UsageError
from nodeflow.core.json import JsonValue
from nodeflow.core.rows import Row
from nodeflow.session.sources import Value

MAX_POINTS: Final = 100_000
_COUNTABLE: Final = 10**12
"""Combinations from which on nobody needs their number, which has thousands of digits where there are many axes."""

_UNSAFE: Final = re.compile(r"[^\w.+-]+")
_LONGEST: Final = 40
"""Characters of one value in a file name; the number at its end tells files apart in any case."""


@dataclass(frozen=True, slots=True)
class Axis:
    """Inputs that walk together: every step gives each of them a value."""

    steps: tuple[Mapping[str, Value], ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The inputs, in the order in which they were given."""
        return tuple(dict.fromkeys(name for step in self.steps for name in step))


@dataclass(frozen=True, slots=True)
class Point:
    """One combination of values.

    Attributes:
        index: From 1, in the order in which points run.
        place: Its step on each axis.
        values: By name of an input of the document's interface, or by ``node.input``.
        label: The values as they stand in file names.
    """

    index: int
    place: tuple[int, ...]
    values: Mapping[str, Value]
    label: str

    def __str__(self) -> str:
        return spelled(self.values)


def axes_of(
    over: Mapping[str, Iterable[Value]], rows: Iterable[Mapping[str, Value]] = (), *, zipped: bool = False
) -> tuple[Axis, ...]:
    """The axes of a sweep.

    Args:
        over: Values by input; each input is an axis of its own.
        rows: One more axis, whose steps set several inputs at once.
        zipped: The inputs in ``over`` are one axis together: the first value of each, then the second of each.

    Raises:
        UsageError: There is nothing to vary, an input is varied twice, or zipped inputs have different numbers of
            values.
    """
    columns = {name: tuple(values) for name, values in over.items()}
    empty = [name for name, values in columns.items() if not values]
    if empty:
        raise UsageError(f"there is no value for {empty[0]}, so there is nothing to run")
    axes = [_zipped(columns)] if zipped and columns else _crossed(columns)
    if steps := tuple(dict(row) for row in rows):
        axes.append(Axis(steps))
    if not axes:
        raise UsageError("there is nothing to vary; give at least one input and its values")
    names = Counter(name for axis in axes for name in axis.names)
    twice = [name for name, count in names.items() if count > 1]
    if twice:
        raise UsageError(f"{twice[0]} is varied twice; keep one of them")
    return tuple(axes)


def points_of(axes: Sequence[Axis]) -> tuple[Point, ...]:
    """All combinations; the last axis changes fastest.

    Raises:
        UsageError: There are too many.
    """
    count = math.prod(len(axis.steps) for axis in axes)
    if count > MAX_POINTS:
        many = f"{count:,}" if count < _COUNTABLE else f"more than {_COUNTABLE:,}"
        raise UsageError(f"{many} combinations are too many; {MAX_POINTS:,} is the most")
    short = short_names([name for axis in axes for name in axis.names])
    places = product(*(range(len(axis.steps)) for axis in axes))
    return tuple(_point(index, place, axes, short) for index, place in enumerate(places, start=1))


def spelled(values: Mapping[str, Value]) -> str:
    """Values for people: ``cfg=4, seed=1``."""
    return ", ".join(f"{name}={text_of(value)}" for name, value in values.items())


def text_of(value: Value) -> str:
    """A value for people; a file by its name."""
    plain = as_json(value, lambda path: path.name)
    if isinstance(plain, int | float) and not isinstance(plain, bool):
        return number_text(plain)
    return plain if isinstance(plain, str) else record_text(plain)


def as_json(value: object, file: Callable[[Path], JsonValue]) -> JsonValue:
    """A value as JSON has it, rows as objects.

    Args:
        value: See ``Value``.
        file: What stands for a file or a folder in it.

    Raises:
        UsageError: It is no value for an input.
    """
    match value:
        case Path():
            return file(value)
        case None | bool() | int() | float() | str():
            return value
        case list() | tuple():
            return [as_json(each, file) for each in cast("Sequence[object]", value)]
        case Row():
            return {name: as_json(each, file) for name, each in vars(value).items()}
        case dict():
            return {str(name): as_json(each, file) for name, each in cast("dict[object, object]", value).items()}
        case _:
            raise UsageError(f"a {type(value).__name__} is no value for an input; give what JSON has, a Path, or rows")


def _crossed(columns: Mapping[str, Sequence[Value]]) -> list[Axis]:
    return [Axis(tuple({name: value} for value in values)) for name, values in columns.items()]


def _zipped(columns: Mapping[str, Sequence[Value]]) -> Axis:
    counts = {name: len(values) for name, values in columns.items()}
    if len(set(counts.values())) > 1:
        found = ", ".join(f"{name} has {count}" for name, count in counts.items())
        raise UsageError(f"inputs that walk together need equally many values: {found}")
    return Axis(tuple(dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)))


def _point(index: int, place: tuple[int, ...], axes: Sequence[Axis], short: Mapping[str, str]) -> Point:
    values = {name: value for axis, step in zip(axes, place, strict=True) for name, value in axis.steps[step].items()}
    label = "_".join(f"{_safe(short[name])}-{_safe(value)}" for name, value in values.items())
    return Point(index, place, values, label)


def short_names(names: Sequence[str]) -> Mapping[str, str]:
    """Names for where there is little room: ``sample.cfg`` is ``cfg``, unless another input ends so."""
    last = {name: name.rpartition(".")[2] for name in names}
    count = Counter(last.values())
    return {name: end if count[end] == 1 else name for name, end in last.items()}


def _safe(value: Value) -> str:
    text = value.stem if isinstance(value, Path) else text_of(value)
    if isinstance(value, int | float):
        return text
    return _UNSAFE.sub("-", text)[:_LONGEST].strip("-._") or "empty"
