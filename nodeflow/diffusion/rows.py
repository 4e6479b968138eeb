"""Batches that go together row by row, cut from longer ones and sorted into others."""

import math
from collections.abc import Iterator, Sequence

from torch import Tensor

from nodeflow.diffusion.batches import Item
from nodeflow.diffusion.channels import opaque
from nodeflow.diffusion.errors import ValueRuleError
from nodeflow.diffusion.images import scale_image
from nodeflow.diffusion.room import require_room
from nodeflow.diffusion.types import Image


def common_rows(*counts: int) -> int:
    """How many rows batches have together: as many as the largest, where all others have as many or one.

    Raises:
        ValueRuleError: They have different numbers of rows.
    """
    several = sorted(set(counts) - {1})
    if len(several) > 1:
        found = " and ".join(map(str, several))
        raise ValueRuleError(f"batches of {found} do not go together; each must have as many, or 1")
    return several[0] if several else 1


def common_items(*images: Image) -> tuple[Item, ...]:
    """The items of the largest of several batches, the first of them."""
    return max(images, key=len).items


def cycled(tensor: Tensor, rows: int) -> Tensor:
    """So many rows of a tensor, from its first one again and again where it has fewer."""
    if len(tensor) == rows:
        return tensor
    times = math.ceil(rows / len(tensor))
    return tensor.repeat(times, *[1] * (tensor.ndim - 1))[:rows]


def joined_batches(first: Image, second: Image) -> Image:
    """All rows of two batches, the second scaled to the size of the first and cut to its proportions.

    Where only one has an alpha channel, the other becomes opaque.

    Raises:
        ValueRuleError: They do not fit into memory.
    """
    channels = max(first.pixels.shape[3], second.pixels.shape[3])
    require_room(len(first) + len(second), first.width, first.height, channels)
    one, other = (image.replace(pixels=opaque(image.pixels, channels)) for image in (first, second))
    if (one.width, one.height) != (other.width, other.height):
        other = scale_image(other, one.width, one.height, "bilinear", "center")
    return one.concat(other)


def repeated(image: Image, times: int) -> Image:
    """A batch so many times over, as a new batch.

    Raises:
        ValueRuleError: They do not fit into memory.
    """
    require_room(len(image) * times, image.width, image.height, image.pixels.shape[3])
    return Image(image.pixels.repeat(times, 1, 1, 1)) if times > 1 else image


def rebatched(images: Sequence[Image], size: int) -> Iterator[Image]:
    """Takes batches apart and makes batches of `size` of their rows, in order; the last may be smaller.

    Raises:
        ValueRuleError: Pictures of different sizes come into one batch.
    """
    singles = [image.select([row]) for image in images for row in range(len(image))]
    for start in range(0, len(singles), size):
        first, *others = singles[start : start + size]
        yield first.concat(*others)
