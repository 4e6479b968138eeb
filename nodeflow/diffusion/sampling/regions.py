"""Where in a picture a conditioning holds: areas and masks in the cells of a latent."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from nodeflow.diffusion.types import Area, Mask

_FEATHER = 8
"""Cells over which an area fades in from each of its sides that is inside the picture; a quarter of it at most."""
_SMALLEST_BOUNDS = 8
"""Cells that the bounding box of a mask has at least along each side, where there is room."""


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle of a latent, in cells."""

    y: int
    x: int
    height: int
    width: int

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        return self.height, self.width

    @property
    def cells(self) -> int:
        """How many cells it has."""
        return self.height * self.width

    def inside(self, other: "Box") -> bool:
        """Whether `other` has all of its cells."""
        return (
            self.y >= other.y
            and self.x >= other.x
            and self.y + self.height <= other.y + other.height
            and self.x + self.width <= other.x + other.width
        )

    def of(self, values: Tensor) -> Tensor:
        """Its part of [..., h, w]; a view."""
        return values[..., self.y : self.y + self.height, self.x : self.x + self.width]


def box_of_area(area: Area, size: tuple[int, int], factor: int) -> Box | None:
    """The cells of an area, cut off at the edge of the latent; None where nothing is left.

    Args:
        area: In pixels or shares.
        size: Height and width of the latent.
        factor: Pixels per cell along one side.
    """
    height, width = size
    if area.relative:
        box = Box(round(area.y * height), round(area.x * width), round(area.height * height), round(area.width * width))
    else:
        box = Box(*(int(edge // factor) for edge in (area.y, area.x, area.height, area.width)))
    if box.y >= height or box.x >= width:
        return None
    return Box(box.y, box.x, min(max(box.height, 1), height - box.y), min(max(box.width, 1), width - box.x))


def box_of_mask(mask: Tensor) -> Box:
    """The bounding box of what is not 0 in any row of masks [B, h, w]; a corner where there is nothing."""
    height, width = mask.shape[-2:]
    ys, xs = mask.amax(dim=0).nonzero(as_tuple=True)
    if len(ys) == 0:
        return Box(0, 0, min(_SMALLEST_BOUNDS, height), min(_SMALLEST_BOUNDS, width))
    y, x, bottom, right = int(ys.min()), int(xs.min()), int(ys.max()) + 1, int(xs.max()) + 1
    return Box(
        y,
        x,
        min(max(bottom - y, _SMALLEST_BOUNDS), height - y),
        min(max(right - x, _SMALLEST_BOUNDS), width - x),
    )


def mask_in_cells(mask: Mask, size: tuple[int, int]) -> Tensor:
    """The mask stretched to a latent's height and width, [B, h, w]; soft edges stay soft."""
    if (mask.height, mask.width) == size:
        return mask.values
    return F.interpolate(mask.values[:, None], size=size, mode="bilinear", align_corners=False)[:, 0]


def feathered(box: Box, size: tuple[int, int], device: torch.device) -> Tensor:
    """Weights [1, 1, h, w] of a box that fade towards each side that is not an edge of the latent."""
    rows = _faded(box.height, box.y > 0, box.y + box.height < size[0])
    columns = _faded(box.width, box.x > 0, box.x + box.width < size[1])
    return (torch.tensor(rows)[:, None] * torch.tensor(columns))[None, None].to(device)


def _faded(length: int, at_start: bool, at_end: bool) -> Sequence[float]:
    weights = [1.0] * length
    ramp = min(_FEATHER, length // 4)
    for cell in range(ramp):
        if at_start:
            weights[cell] *= (cell + 1) / ramp
        if at_end:
            weights[length - 1 - cell] *= (cell + 1) / ramp
    return weights
