"""Contact sheets: pictures in a grid, with what each column and each row stands for."""

import io
import math
from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image as Pillow

from nodeflow.diffusion.captions import strip
from nodeflow.diffusion.images import scale_image, sheet, to_uint8
from nodeflow.diffusion.types import Image

_GAP = 4
_PAPER = (255, 255, 255)
_BLANK = (236, 236, 236)
_LEAST = 32


@dataclass(frozen=True, slots=True)
class SheetRow:
    """One row of a sheet.

    Attributes:
        cells: Batches; one of several pictures becomes a small sheet, None stays blank.
        heads: What stands above each cell; empty where the row above says it.
        label: What stands to the left of all.
    """

    cells: Sequence[Image | None]
    heads: Sequence[str] = ()
    label: str = ""


def contact_sheet(rows: Sequence[SheetRow], title: str = "") -> bytes:
    """Lays pictures out in a labelled grid; smaller ones stand in the middle of their places.

    Args:
        rows: From top to bottom.
        title: What stands above all.

    Returns:
        A PNG file.
    """
    pictures = [[None if cell is None else _picture(cell) for cell in row.cells] for row in rows]
    found = [picture for row in pictures for picture in row if picture is not None]
    wide = max((picture.width for picture in found), default=_LEAST)
    high = max((picture.height for picture in found), default=_LEAST)
    size = max(11, min(28, round(wide * 0.09)))
    left = max(5 * size, wide // 2) + _GAP if any(row.label for row in rows) else 0
    width = left + max(len(row) for row in pictures) * (wide + _GAP) - _GAP
    strips = [strip(title, width, size + 2)] if title else []
    strips += [_row(row, cells, (left, wide, high, width), size) for row, cells in zip(rows, pictures, strict=True)]
    canvas = Pillow.new("RGB", (width, sum(each.height + _GAP for each in strips) - _GAP), _PAPER)
    y = 0
    for each in strips:
        canvas.paste(each, (0, y))
        y += each.height + _GAP
    stream = io.BytesIO()
    canvas.save(stream, "PNG")
    return stream.getvalue()


def fitted(image: Image, room: int) -> Image:
    """A batch that is no wider and no higher than `room` pixels."""
    share = room / max(image.width, image.height)
    if share >= 1.0:
        return image
    return scale_image(image, max(1, int(image.width * share)), max(1, int(image.height * share)))


def _picture(image: Image) -> Pillow.Image:
    together = image if len(image) == 1 else sheet([image], math.ceil(math.sqrt(len(image))), gap=2)
    return Pillow.fromarray(to_uint8(together)[0][..., :3])


def _row(
    row: SheetRow, cells: Sequence[Pillow.Image | None], measures: tuple[int, int, int, int], size: int
) -> Pillow.Image:
    left, wide, high, width = measures
    heads = [strip(head, wide, size, lines=2) for head in row.heads]
    top = max((head.height for head in heads), default=0)
    paper = Pillow.new("RGB", (width, top + high), _PAPER)
    if left:
        paper.paste(strip(row.label, left - _GAP, size, max(1, (high - size // 2) // size)), (0, top))
    for place, cell in enumerate(cells):
        x = left + place * (wide + _GAP)
        if place < len(heads):
            paper.paste(heads[place], (x, 0))
        if cell is None:
            paper.paste(_BLANK, (x, top, x + wide, top + high))
        else:
            paper.paste(cell, (x + (wide - cell.width) // 2, top + (high - cell.height) // 2))
    return paper
