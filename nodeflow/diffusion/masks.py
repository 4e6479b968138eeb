"""Masks made from nothing or from pictures, cut, joined, softened, grown and shrunk."""

from collections.abc import Callable
from typing import Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor

from nodeflow.diffusion.errors import ValueRuleError
from nodeflow.diffusion.morphology import dilated, spread
from nodeflow.diffusion.room import require_room
from nodeflow.diffusion.rows import common_rows
from nodeflow.diffusion.types import Image, Mask

Channel = Literal["red", "green", "blue", "alpha"]
MaskOperation = Literal["multiply", "add", "subtract", "and", "or", "xor"]


def solid(value: float, width: int, height: int) -> Mask:
    """One mask that has the same value everywhere.

    Raises:
        ValueRuleError: It does not fit into memory, or the value is not in 0..1.
    """
    require_room(1, width, height, 1)
    return Mask(torch.full((1, height, width), value))


def from_channel(image: Image, channel: Channel) -> Mask:
    """One channel of pictures as masks.

    Raises:
        ValueRuleError: An unknown channel, or alpha of pictures that have none.
    """
    if channel not in get_args(Channel):
        raise ValueRuleError(f"channel {channel!r} is unknown; there are {', '.join(get_args(Channel))}")
    index = get_args(Channel).index(channel)
    if index >= image.pixels.shape[3]:
        raise ValueRuleError("these pictures have no alpha channel; choose red, green or blue")
    return Mask(image.pixels[..., index].contiguous())


def from_colour(image: Image, colour: int) -> Mask:
    """Marks the pixels that have a colour, 0xRRGGBB, once they are rounded to bytes."""
    bytes_ = (image.pixels[..., :3] * 255.0).round().to(torch.int32)
    wanted = torch.tensor([colour >> 16 & 255, colour >> 8 & 255, colour & 255], dtype=torch.int32)
    return Mask((bytes_ == wanted.to(bytes_.device)).all(dim=-1).float())


def inverted(mask: Mask) -> Mask:
    """Chooses what was not chosen."""
    return Mask(1.0 - mask.values)


def above(mask: Mask, value: float) -> Mask:
    """Marks what is greater than a value."""
    return Mask((mask.values > value).float())


def stretched(mask: Mask, width: int, height: int) -> Mask:
    """Masks at another size, by bilinear interpolation."""
    if (mask.width, mask.height) == (width, height):
        return mask
    scaled = F.interpolate(mask.values[:, None], size=(height, width), mode="bilinear")
    return Mask(scaled[:, 0].clamp(0.0, 1.0))


def combined(destination: Mask, source: Mask, x: int, y: int, operation: MaskOperation) -> Mask:
    """Puts masks onto others at a place; what lies outside the destination is left out.

    Args:
        destination: What is changed, within the rectangle that the source covers.
        source: What is put on it; a batch of one goes with every mask of the other batch.
        x: Column of the destination where the source begins.
        y: Row of it.
        operation: Arithmetic, kept in 0..1, or logic on values that are rounded first: 0.5 counts as 0.

    Raises:
        ValueRuleError: The batches are of different sizes, or the operation is unknown.
    """
    if operation not in get_args(MaskOperation):
        raise ValueRuleError(f"operation {operation!r} is unknown; there are {', '.join(get_args(MaskOperation))}")
    rows = common_rows(len(destination), len(source))
    values = destination.values.expand(rows, -1, -1).clone()
    covered = values[:, y : y + source.height, x : x + source.width]
    laid = source.values[:, : covered.shape[1], : covered.shape[2]]
    covered.copy_(_OPERATIONS[operation](covered, laid).clamp(0.0, 1.0))
    return Mask(values)


def feathered(mask: Mask, left: int, top: int, right: int, bottom: int) -> Mask:
    """Fades masks out towards their edges.

    The k-th column from the left is multiplied by k / left, and so on. To the right and at the bottom the factors
    begin one pixel further out, and the first of them falls on the opposite edge; ComfyUI's masks do the same, and
    theirs are what these must be equal to.
    """
    columns = _ramps(mask.width, left, right)
    rows = _ramps(mask.height, top, bottom)
    return Mask(mask.values * columns.to(mask.values.device) * rows[:, None].to(mask.values.device))


def grown(mask: Mask, steps: int, *, tapered: bool = True) -> Mask:
    """Lets masks grow by so many pixels, or shrink where `steps` is below 0; soft edges move as they are.

    Args:
        mask: The masks.
        steps: How far.
        tapered: Whether they grow as a diamond, or else as a square. What lies outside is neither chosen nor not.
    """
    values = mask.values if steps > 0 else -mask.values
    reach = min(abs(steps), mask.width + mask.height)
    values = spread(values, reach) if tapered else dilated(values, 2 * reach + 1)
    return Mask(values if steps > 0 else -values)


def _ramps(length: int, first: int, last: int) -> Tensor:
    """The factors of each column, or row, for feathering of so many pixels at either end."""
    factors = torch.ones(length)
    first, last = min(first, length), min(last, length)
    factors[:first] *= torch.arange(1, first + 1) / max(1, first)
    places = -torch.arange(last) % length
    factors[places] *= torch.arange(1, last + 1) / max(1, last)
    return factors


def _logic(function: Callable[[Tensor, Tensor], Tensor]) -> Callable[[Tensor, Tensor], Tensor]:
    return lambda a, b: function(a.round().bool(), b.round().bool()).float()


_OPERATIONS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "multiply": torch.mul,
    "add": torch.add,
    "subtract": torch.sub,
    "and": _logic(torch.logical_and),
    "or": _logic(torch.logical_or),
    "xor": _logic(torch.logical_xor),
}
