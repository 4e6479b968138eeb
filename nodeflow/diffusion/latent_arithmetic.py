"""Latents put together: added, blended, joined side by side, and laid over each other.

Where two latents differ in size, the second is scaled to the first and cut to its proportions; where they differ in
number, the rows of the shorter are repeated. The first one gives items and noise mask.
"""

from collections.abc import Callable, Sequence
from typing import Literal, cast

import torch
from torch import Tensor

from nodeflow.diffusion.errors import ValueRuleError
from nodeflow.diffusion.latent_formats import LatentFormat
from nodeflow.diffusion.latents import LatentMethod, resized
from nodeflow.diffusion.laying import laid, pasted
from nodeflow.diffusion.rows import cycled
from nodeflow.diffusion.types import Latent, Mask

Direction = Literal["x", "-x", "y", "-y"]
_AXES = {"x": 3, "y": 2}


def add(first: Latent, second: Latent) -> Latent:
    """The sum of two latents; for errors see `combined`."""
    return combined(first, second, lambda a, b: a + b)


def subtract(first: Latent, second: Latent) -> Latent:
    """What remains of a latent when another is taken away; for errors see `combined`."""
    return combined(first, second, lambda a, b: a - b)


def multiply(latent: Latent, factor: float) -> Latent:
    """Every value times a factor."""
    return latent.replace(samples=latent.samples * factor)


def blend(first: Latent, second: Latent, share: float) -> Latent:
    """`share` of the first and the rest of the second, which is scaled bicubically; for errors see `combined`."""
    return combined(first, second, lambda a, b: a * share + b * (1 - share), method="bicubic")


def interpolate(first: Latent, second: Latent, share: float) -> Latent:
    """Blends directions and lengths of the cells' vectors apart, so that the result is not duller than its parts.

    For errors see `combined`.
    """

    def mixed(a: Tensor, b: Tensor) -> Tensor:
        length_a, length_b = _lengths(a), _lengths(b)
        direction = _over(a, length_a) * share + _over(b, length_b) * (1 - share)
        return _over(direction, _lengths(direction)) * (length_a * share + length_b * (1 - share))

    return combined(first, second, mixed)


def _lengths(cells: Tensor) -> Tensor:
    return cast("Tensor", torch.linalg.vector_norm(cells, dim=1, keepdim=True))


def _over(vectors: Tensor, lengths: Tensor) -> Tensor:
    return torch.nan_to_num(vectors / lengths)


def combined(
    first: Latent, second: Latent, rule: Callable[[Tensor, Tensor], Tensor], method: LatentMethod = "bilinear"
) -> Latent:
    """Puts two latents together, value by value.

    Raises:
        ValueRuleError: They are of different spaces, or the result is not finite.
    """
    fitted = _fitted(first, second, method)
    return Latent(rule(first.samples, fitted), space_of([first, second]), first.items, first.noise_mask)


def _fitted(first: Latent, second: Latent, method: LatentMethod) -> Tensor:
    space_of([first, second])
    high, wide = first.samples.shape[-2:]
    return cycled(resized(second.samples, wide, high, method, crop="center"), len(first))


def space_of(latents: Sequence[Latent]) -> LatentFormat | None:
    """The space that several latents share; None where all of them are empty ones.

    Raises:
        ValueRuleError: They are of different spaces or have different numbers of channels.
    """
    formats = {latent.format for latent in latents} - {None}
    if len(formats) > 1:
        names = " and ".join(sorted(each.name for each in formats if each is not None))
        raise ValueRuleError(f"latents of different spaces cannot be put together: {names}")
    channels = sorted({latent.samples.shape[1] for latent in latents})
    if len(channels) > 1:
        raise ValueRuleError(f"latents of {' and '.join(map(str, channels))} channels cannot be put together")
    return next(iter(formats), None)


def side_by_side(first: Latent, second: Latent, direction: Direction) -> Latent:
    """Joins two latents: the second to the right (x), to the left (-x), below (y) or above (-y).

    Raises:
        ValueRuleError: They are of different spaces, or their common side is not the same.
    """
    axis = _AXES[direction.removeprefix("-")]
    space = space_of([first, second])
    across = 5 - axis
    if first.samples.shape[across] != second.samples.shape[across]:
        side = "height" if axis == 3 else "width"
        found = f"{first.width} x {first.height} and {second.width} x {second.height}"
        raise ValueRuleError(f"latents joined along {direction} need one {side}, found {found}")
    parts = [first.samples, cycled(second.samples, len(first))]
    if direction.startswith("-"):
        parts.reverse()
    return Latent(torch.cat(parts, dim=axis), space, first.items)


def cut(latent: Latent, axis: Literal["x", "y"], index: int, amount: int) -> Latent:
    """Takes a strip of cells out of a latent.

    Args:
        latent: What to cut.
        axis: "x" for columns, "y" for rows.
        index: The first cell; negative ones count from the end. Beyond the ends, the nearest one.
        amount: How many cells; what is beyond the end is not there.
    """
    size = latent.samples.shape[_AXES[axis]]
    start = min(index, size - 1) if index >= 0 else max(index, -size) + size
    return Latent(latent.samples.narrow(_AXES[axis], start, min(size - start, amount)), latent.format, latent.items)


def batched(first: Latent, second: Latent) -> Latent:
    """All rows of both in one batch, the second scaled to the first; noise masks are left out.

    Raises:
        ValueRuleError: They are of different spaces.
    """
    space = space_of([first, second])
    high, wide = first.samples.shape[-2:]
    samples = resized(second.samples, wide, high, "bilinear", crop="center")
    return Latent(first.samples, space, first.items).concat(Latent(samples, space, second.items))


def composite(below: Latent, above: Latent, x: int, y: int, feather: int = 0) -> Latent:
    """Lays one latent over another; numbers are pixels, rounded down to whole cells.

    Args:
        below: What gives the size.
        above: What is laid over it; what lies outside of `below` is cut off.
        x: Left edge.
        y: Upper edge.
        feather: Width of the soft edge, on the sides that are not an edge of `below`.

    Raises:
        ValueRuleError: They are of different spaces, or `above` lies outside of `below`.
    """
    left, top, soft = x // below.factor, y // below.factor, feather // below.factor
    space_of([below, above])
    _require_overlap(below, above.samples, left, top)
    high, wide = (
        min(size, limit - start)
        for size, limit, start in zip(above.samples.shape[-2:], below.samples.shape[-2:], (top, left), strict=True)
    )
    share = torch.ones_like(above.samples[:1, :1])
    for step in range(min(soft, high, wide)):
        rise = (step + 1) / soft
        if top != 0:
            share[:, :, step] *= rise
        if top + high < below.samples.shape[2]:
            share[:, :, high - 1 - step] *= rise
        if left != 0:
            share[:, :, :, step] *= rise
        if left + wide < below.samples.shape[3]:
            share[:, :, :, wide - 1 - step] *= rise
    return below.replace(samples=laid(below.samples, above.samples, left, top, share))


def composite_masked(below: Latent, above: Latent, x: int, y: int, mask: Mask | None, *, resize: bool) -> Latent:
    """Lays one latent over another where a mask is 1; numbers are pixels, rounded down to whole cells.

    Args:
        below: What gives the size.
        above: What is laid over it.
        x: Left edge, may be negative.
        y: Upper edge, may be negative.
        mask: At any size, stretched over `above`; None for all of it.
        resize: Scale `above` to the size of `below` first.

    Raises:
        ValueRuleError: They are of different spaces, `above` lies outside of `below`, or masks and rows do not match.
    """
    left, top = x // below.factor, y // below.factor
    space_of([below, above])
    _require_overlap(below, below.samples if resize else above.samples, left, top)
    return below.replace(samples=pasted(below.samples, above.samples, left, top, mask, resize=resize))


def _require_overlap(below: Latent, above: Tensor, left: int, top: int) -> None:
    """Checks that something of `above` lies on `below`."""
    places = zip(above.shape[-2:], below.samples.shape[-2:], (top, left), strict=True)
    if not all(-size < start < limit for size, limit, start in places):
        at, size = f"{left * below.factor}, {top * below.factor}", f"{below.width} x {below.height}"
        raise ValueRuleError(f"a latent laid at {at} is outside of one of {size} pixels")


def rebatched(latents: Sequence[Latent], rows: int) -> list[Latent]:
    """Puts latents together into batches of a length; each row keeps its item, noise masks are left out.

    Args:
        latents: Of any lengths; only neighbours of one size are put together.
        rows: Of each new batch; the last one of a size may have fewer.

    Raises:
        ValueRuleError: There is no latent, or neighbours of one size are of different spaces.
    """
    if not latents:
        raise ValueRuleError("there is no latent to put into batches")
    singles = [
        Latent(each.samples[row][None], each.format, (each.items[row],)) for each in latents for row in range(len(each))
    ]
    batches: list[list[Latent]] = []
    for single in singles:
        if batches and len(batches[-1]) < rows and batches[-1][0].samples.shape == single.samples.shape:
            batches[-1].append(single)
        else:
            batches.append([single])
    return [_with_items(group) for group in batches]


def _with_items(group: Sequence[Latent]) -> Latent:
    samples = torch.cat([each.samples for each in group])
    return Latent(samples, space_of(group), tuple(item for each in group for item in each.items))
