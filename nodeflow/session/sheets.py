"""Contact sheets of a sweep: its pictures by the values that they were made with."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Final

from nodeflow.session.axes import Axis, short_names, text_of
from nodeflow.session.sources import Value
from nodeflow.session.swept import SweepPoint
from nodeflow.storage.outputs import Outputs

if TYPE_CHECKING:
    from nodeflow.diffusion.contactsheets import SheetRow
    from nodeflow.diffusion.types import Image

Place = tuple[int, ...]

_PICTURES: Final = frozenset({".png", ".jpg", ".webp"})
_COLUMNS: Final = 10
"""Pictures beside each other where there is one axis only; more where there are many."""
_SIDE: Final = 8_192
"""Pixels that a side of a sheet has about at most."""
_ROOM: Final = (64, 1_024)
"""Pixels of the side of one picture, at least and at most."""
_CELLS: Final = 10_000
"""Pictures on one sheet at most; for more there is none."""


def write_sheets(axes: Sequence[Axis], points: Sequence[SweepPoint], outputs: Outputs, prefix: str) -> tuple[Path, ...]:
    """Writes a sheet of every result that is a picture.

    The last axis goes from left to right, the one before it downwards; every combination of the others has a sheet of
    its own. A point without a picture leaves its place blank.

    Args:
        axes: What was varied.
        points: As they ended; missing ones are without a picture.
        outputs: Where to write.
        prefix: Start of the file names.

    Raises:
        OutputFailed: A sheet cannot be written.
    """
    from nodeflow.diffusion.contactsheets import contact_sheet

    written: list[Path] = []
    for name in _names(points):
        found = {each.point.place: paths for each in points if (paths := _pictures(each, name))}
        for page in _pages(axes):
            if len(page.cells) <= _CELLS and not found.keys().isdisjoint(page.cells):
                data = contact_sheet(list(_rows(page, found)), page.title)
                written.append(outputs.save(f"{prefix}_{name}" if name else prefix, "png", data).path)
    return tuple(written)


@dataclass(frozen=True, slots=True)
class _Page:
    """One sheet: which points it shows, and what is written on it.

    Attributes:
        places: Rows of points.
        heads: What stands above each place, for every row or for the first alone.
        labels: What stands beside each row.
    """

    places: Sequence[Sequence[Place]]
    heads: Sequence[Sequence[str]]
    labels: Sequence[str]
    title: str = ""

    @property
    def cells(self) -> list[Place]:
        return [place for row in self.places for place in row]


def _pages(axes: Sequence[Axis]) -> Iterator[_Page]:
    short = short_names([name for axis in axes for name in axis.names])
    labels = [[_label(step, short) for step in axis.steps] for axis in axes]
    if len(axes) == 1:
        yield _one_axis(labels[0])
        return
    *others, down, across = labels
    for page in product(*(range(len(each)) for each in others)):
        places = [[(*page, row, column) for column in range(len(across))] for row in range(len(down))]
        title = ", ".join(each[step] for each, step in zip(others, page, strict=True))
        yield _Page(places, [across], down, title)


def _one_axis(labels: Sequence[str]) -> _Page:
    """As many rows as it takes; every picture has its own label."""
    columns = max(_COLUMNS, math.ceil(math.sqrt(len(labels))))
    rows = [range(start, min(start + columns, len(labels))) for start in range(0, len(labels), columns)]
    return _Page([[(step,) for step in row] for row in rows], [[labels[step] for step in row] for row in rows], [])


def _label(step: Mapping[str, Value], short: Mapping[str, str]) -> str:
    """Spaces let a label go on in the next line."""
    return ", ".join(f"{short[name]} = {text_of(value)}" for name, value in step.items())


def _rows(page: _Page, found: Mapping[Place, Sequence[Path]]) -> "Iterator[SheetRow]":
    from nodeflow.diffusion.contactsheets import SheetRow

    least, most = _ROOM
    room = max(least, min(most, _SIDE // max(len(page.places), len(page.places[0]))))
    for number, row in enumerate(page.places):
        heads = page.heads[number] if number < len(page.heads) else ()
        label = page.labels[number] if page.labels else ""
        yield SheetRow([_read(found.get(place, ()), room) for place in row], heads, label)


def _names(points: Sequence[SweepPoint]) -> list[str]:
    """Results that are pictures; an empty name where only nodes save some."""
    names = {name: None for each in points for name in each.outputs if _pictures(each, name)}
    return list(names) or [""]


def _pictures(ended: SweepPoint, name: str) -> tuple[Path, ...]:
    output = ended.outputs.get(name)
    paths = output.paths if output is not None else () if name else ended.files
    return tuple(path for path in paths if path.suffix in _PICTURES)


def _read(paths: Sequence[Path], room: int) -> "Image | None":
    from nodeflow.diffusion.contactsheets import fitted
    from nodeflow.diffusion.errors import DiffusionError
    from nodeflow.diffusion.pictures import read_picture

    try:
        images = [fitted(read_picture(path).image, room) for path in paths]
        return images[0].concat(*images[1:]) if images else None
    except (DiffusionError, OSError):  # another program has changed a file meanwhile
        return None
