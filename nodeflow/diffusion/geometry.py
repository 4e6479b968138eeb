"""Pictures cut, turned, mirrored, set on a larger canvas and put beside each other."""

from typing import Literal, get_args

import torch
from torch import Tensor

from nodeflow.diffusion.channels import opaque
from nodeflow.diffusion.errors import ValueRuleError
from nodeflow.diffusion.images import ImageMethod, resampled
from nodeflow.diffusion.room import require_room
from nodeflow.diffusion.types import Image, Mask

Direction = Literal["right", "down", "left", "up"]
StitchColour = Literal["white", "black", "red", "green", "blue"]

_COLOURS = {
    "white": (1.0, 1.0, 1.0),
    "black": (0.0, 0.0, 0.0),
    "red": (1.0, 0.0, 0.0),
    "green": (0.0, 1.0, 0.0),
    "blue": (0.0, 0.0, 1.0),
}
_GREY = 0.5


def window(start: int, length: int, limit: int, what: str) -> slice:
    """The part of `limit` rows or columns that begins at `start`; it ends where they end.

    Raises:
        ValueRuleError: It begins behind the last one; `what` names the side.
    """
    if not 0 <= start < limit:
        raise ValueRuleError(f"{start} lies outside: the {what} is {limit}, so {limit - 1} is the last there is")
    return slice(start, min(start + length, limit))


def turned(image: Image, quarters: int) -> Image:
    """Turns pictures clockwise by so many quarters of a turn."""
    return image.replace(pixels=torch.rot90(image.pixels, quarters, (2, 1)).contiguous())


def mirrored(image: Image, *, upside_down: bool) -> Image:
    """Swaps top and bottom of pictures, or left and right."""
    return image.replace(pixels=image.pixels.flip(1 if upside_down else 2))


def padded_for_outpaint(
    image: Image, left: int, top: int, right: int, bottom: int, feathering: int
) -> tuple[Image, Mask]:
    """Sets pictures on a larger grey canvas, with a mask of what is to be painted.

    Args:
        image: The pictures.
        left: Pixels to put on at this side, as at the others.
        top: The same.
        right: The same.
        bottom: The same.
        feathering: Width of the band inside a picture, along the sides that grow, over which the mask falls from 1 to 0
            as a parabola. There is none where two bands would meet, that is where a side is not longer than twice it.

    Returns:
        The larger pictures, and one mask for all of them.

    Raises:
        ValueRuleError: They do not fit into memory.
    """
    rows, high, wide, channels = image.pixels.shape
    size = (high + top + bottom, wide + left + right)
    require_room(rows, size[1], size[0], channels)
    canvas = opaque(torch.full((rows, *size, 3), _GREY), channels)
    inside = (slice(top, top + high), slice(left, left + wide))
    canvas[:, *inside] = image.pixels
    mask = torch.ones(1, *size)
    mask[:, *inside] = _band(high, wide, (left, top, right, bottom), feathering)
    return image.replace(pixels=canvas), Mask(mask)


def _band(high: int, wide: int, sides: tuple[int, int, int, int], feathering: int) -> Tensor:
    """((f - d) / f)² at a distance of d pixels below f from the nearest side that grows, [high, wide]."""
    if feathering == 0 or 2 * feathering >= min(high, wide):
        return torch.zeros(high, wide)
    left, top, right, bottom = sides
    distance = torch.minimum(_distance(high, top, bottom)[:, None], _distance(wide, left, right)[None, :])
    return ((feathering - distance) / feathering).clamp(min=0.0) ** 2


def _distance(length: int, first: int, last: int) -> Tensor:
    """How far each pixel of a row is from the ends that grow; `length` where none does."""
    place = torch.arange(length, dtype=torch.float32)
    nowhere = torch.full_like(place, length)
    # The first pixel is at distance 0 from its end, but the last one at distance 1, as in ComfyUI.
    return torch.minimum(place if first else nowhere, length - place if last else nowhere)


def fitted(image: Image, width: int, height: int, *, white: bool = True, method: ImageMethod = "area") -> Image:
    """Scales pictures to fit into a canvas as a whole, in their proportions, and sets them in its middle.

    Raises:
        ValueRuleError: The canvas does not fit into memory.
    """
    rows, high, wide, channels = image.pixels.shape
    require_room(rows, width, height, channels)
    across = max(1, min(width, wide * height // high))  # in whole numbers, which fill the canvas exactly
    down = max(1, min(height, high * width // wide))
    canvas = opaque(torch.full((rows, height, width, 3), 1.0 if white else 0.0), channels)
    top, left = (height - down) // 2, (width - across) // 2
    canvas[:, top : top + down, left : left + across] = resampled(image.pixels, across, down, method)
    return image.replace(pixels=canvas.clamp(0.0, 1.0))


def stitched(
    first: Image,
    second: Image,
    direction: Direction = "right",
    *,
    match_size: bool = True,
    spacing: int = 0,
    colour: StitchColour = "white",
) -> Image:
    """Puts one batch of pictures beside another, row by row; of the shorter batch the last row is repeated.

    Args:
        first: The pictures whose size counts.
        second: What comes beside them.
        direction: On which side of the first.
        match_size: Whether the second is scaled, in its proportions, to the length of the side where they touch;
            otherwise the shorter one is centred, on white if `colour` is white and else on black.
        spacing: Pixels between them; an odd number counts as the next even one.
        colour: What the space is filled with.

    Raises:
        ValueRuleError: An unknown direction or colour, or more than fits into memory.
    """
    if direction not in get_args(Direction) or colour not in _COLOURS:
        raise ValueRuleError(f"stitching to the {direction} with {colour} between is unknown")
    sideways = direction in ("left", "right")
    along = 2 if sideways else 1
    a, b = first.pixels, second.pixels
    rows, channels = max(len(a), len(b)), max(a.shape[3], b.shape[3])
    wide, high = _alike(a, b, sideways) if match_size else (b.shape[2], b.shape[1])
    together = (a.shape[2] + wide, max(a.shape[1], high)) if sideways else (max(a.shape[2], wide), a.shape[1] + high)
    require_room(rows, *together, channels)
    if match_size:
        b = resampled(b, wide, high, "lanczos")
    across = max(a.shape[3 - along], b.shape[3 - along])
    paper = 1.0 if colour == "white" else 0.0
    parts = [_centred(opaque(_lasting(each, rows), channels), across, 3 - along, paper) for each in (a, b)]
    if direction in ("left", "up"):
        parts.reverse()
    if spacing:
        shape = [rows, across, across, 3]
        shape[along] = spacing + spacing % 2
        parts.insert(1, opaque(torch.tensor(_COLOURS[colour]).expand(shape), channels))
    items = first.items if len(a) == rows else second.items
    return Image(torch.cat(parts, dim=along), items)


def _alike(a: Tensor, b: Tensor, sideways: bool) -> tuple[int, int]:
    """Width and height that `b` gets so that it is as long as `a` where they touch."""
    high, wide = b.shape[1:3]  # in whole numbers, so that a size stays what it is where nothing is to be scaled
    if sideways:
        return max(1, wide * a.shape[1] // high), a.shape[1]
    return a.shape[2], max(1, high * a.shape[2] // wide)


def _lasting(pixels: Tensor, rows: int) -> Tensor:
    missing = rows - len(pixels)
    return torch.cat([pixels, pixels[-1:].expand(missing, -1, -1, -1)]) if missing else pixels


def _centred(pixels: Tensor, length: int, side: int, paper: float) -> Tensor:
    """Sets pixels in the middle of a longer side, 1 for height and 2 for width; an odd pixel goes to its end."""
    missing = length - pixels.shape[side]
    if not missing:
        return pixels
    shape = list(pixels.shape)
    shape[side] = length
    shape[3] = 3
    canvas = opaque(torch.full(shape, paper), pixels.shape[3])
    canvas.narrow(side, missing // 2, pixels.shape[side]).copy_(pixels)
    return canvas
