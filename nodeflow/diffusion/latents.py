"""Latents from nothing, of other sizes, turned, cut out, and as parts of larger batches."""

import dataclasses
from typing import Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor

from nodeflow.diffusion.batches import Item
from nodeflow.diffusion.cropping import central
from nodeflow.diffusion.errors import ValueRuleError
from nodeflow.diffusion.room import require_room
from nodeflow.diffusion.slerp import bislerp
from nodeflow.diffusion.types import Latent, Mask

LatentMethod = Literal["nearest-exact", "bilinear", "area", "bicubic", "bislerp"]
Crop = Literal["disabled", "center"]
Turns = Literal[0, 1, 2, 3]

CELL = 8
"""Pixels per latent cell in all families so far."""
_LEAST = 64
"""Pixels of the shorter side when it follows from the longer one, and of what a crop leaves."""


def empty_latent(width: int, height: int, batch_size: int = 1, *, channels: int = 4) -> Latent:
    """Gives latents to start from noise with.

    Args:
        width: Of the pictures in pixels, a multiple of 8.
        height: The same.
        batch_size: How many pictures.
        channels: Of the model's latent space.

    Returns:
        Zeros [batch_size, channels, height / 8, width / 8] that fit every model of so many channels.

    Raises:
        ValueRuleError: A size that is no positive multiple of 8, no row, no channel, or more than fits into memory.
    """
    for name, size in (("width", width), ("height", height)):
        if size < CELL or size % CELL:
            near = max(CELL, (size + CELL // 2) // CELL * CELL)
            raise ValueRuleError(f"{name} {size} is no multiple of {CELL}; try {near}")
    if batch_size < 1 or channels < 1:
        raise ValueRuleError(f"an empty latent of {batch_size} rows and {channels} channels is not possible")
    require_room(batch_size, width // CELL, height // CELL, channels, of="cells")
    return Latent(torch.zeros(batch_size, channels, height // CELL, width // CELL))


def upscale_latent(latent: Latent, factor: float, method: LatentMethod = "nearest-exact") -> Latent:
    """Scales latents by a factor above 0, rounding to whole cells.

    Raises:
        ValueRuleError: The factor is not above 0, the result has no cell, or the method is unknown.
    """
    if not 0.0 < factor < float("inf"):
        raise ValueRuleError(f"factor {factor:g} is not above 0")
    height, width = latent.samples.shape[-2:]
    return latent.replace(samples=resized(latent.samples, round(width * factor), round(height * factor), method))


def resize_latent(
    latent: Latent, width: int, height: int, method: LatentMethod = "nearest-exact", crop: Crop = "disabled"
) -> Latent:
    """Scales latents to a size in pixels, rounded down to whole cells.

    Args:
        latent: What to scale.
        width: In pixels; 0 keeps the proportions. Both 0: nothing is changed.
        height: In the same way. A side that follows from the other is at least 64 pixels.
        method: How values between the old ones are found.
        crop: "center" cuts the sides off to keep the proportions.

    Raises:
        ValueRuleError: The size is below one cell, or the method is unknown.
    """
    if width == 0 and height == 0:
        return latent
    if width == 0:
        height = max(_LEAST, height)
        width = max(_LEAST, round(latent.width * height / latent.height))
    elif height == 0:
        width = max(_LEAST, width)
        height = max(_LEAST, round(latent.height * width / latent.width))
    size = (width // latent.factor, height // latent.factor)
    return latent.replace(samples=resized(latent.samples, *size, method, crop))


def resized(samples: Tensor, columns: int, rows: int, method: LatentMethod, crop: Crop = "disabled") -> Tensor:
    """Scales samples [B, C, h, w] to a number of cells.

    Raises:
        ValueRuleError: The size is below one cell or does not fit into memory, or the method is unknown.
    """
    if method not in get_args(LatentMethod):
        raise ValueRuleError(f"method {method!r} is unknown; there are {', '.join(get_args(LatentMethod))}")
    if columns < 1 or rows < 1:
        raise ValueRuleError(f"a latent of {columns} x {rows} cells is not possible")
    require_room(samples.shape[0], columns, rows, samples.shape[1], of="cells")
    if crop == "center":
        samples = samples[..., *central(samples.shape[-2], samples.shape[-1], columns / rows)]
    if samples.shape[-2:] == (rows, columns):
        return samples
    if method == "bislerp":
        return bislerp(samples, columns, rows)
    return F.interpolate(samples, size=(rows, columns), mode=method)


def rotate_latent(latent: Latent, turns: Turns) -> Latent:
    """Turns latents clockwise by a number of right angles, and their noise mask with them."""
    mask = latent.noise_mask
    turned = None if mask is None else Mask(torch.rot90(mask.values, turns, dims=(2, 1)))
    return dataclasses.replace(latent, samples=torch.rot90(latent.samples, turns, dims=(3, 2)), noise_mask=turned)


def flip_latent(latent: Latent, *, upside_down: bool) -> Latent:
    """Mirrors latents, and their noise mask with them: top to bottom, or left to right."""
    axis = -2 if upside_down else -1
    mask = latent.noise_mask
    flipped = None if mask is None else Mask(mask.values.flip(axis))
    return dataclasses.replace(latent, samples=latent.samples.flip(axis), noise_mask=flipped)


def crop_latent(latent: Latent, x: int, y: int, width: int, height: int) -> Latent:
    """Cuts a rectangle out of latents; numbers are pixels, rounded down to whole cells.

    A corner so far to the right or below that less than 64 pixels were left is moved back, and what lies outside of the
    latent is not there, so the result may be smaller than asked for.

    Raises:
        ValueRuleError: The latent is smaller than 64 pixels, or no cell is left.
    """
    least, factor = _LEAST // CELL, latent.factor
    high, wide = latent.samples.shape[-2:]
    if min(high, wide) < least:
        raise ValueRuleError(
            f"a latent of {latent.width} x {latent.height} pixels is too small to crop: below {_LEAST}"
        )
    left, top = min(x // factor, wide - least), min(y // factor, high - least)
    part = latent.samples[..., top : top + height // factor, left : left + width // factor]
    if part.shape[-2] == 0 or part.shape[-1] == 0:
        raise ValueRuleError(f"a crop of {width} x {height} pixels has no cell of {factor} pixels")
    mask = latent.noise_mask
    if mask is not None:
        values = F.interpolate(mask.values[:, None], size=(high, wide), mode="bilinear", align_corners=False)[:, 0]
        mask = Mask(values[:, top : top + height // factor, left : left + width // factor].clamp(0, 1))
    return dataclasses.replace(latent, samples=part, noise_mask=mask)


def from_batch(latent: Latent, start: int, length: int) -> Latent:
    """Takes rows out of a batch, each still with the noise it has there; what is beyond the end is not there."""
    first = min(len(latent) - 1, start)
    return latent.select(range(first, min(len(latent), first + length)))


def repeat_latent(latent: Latent, amount: int) -> Latent:
    """Repeats a batch; every copy gets noise of its own, the first that of the original.

    Raises:
        ValueRuleError: The amount is below 1, or the copies do not fit into memory.
    """
    if amount < 1:
        raise ValueRuleError(f"{amount} copies of a latent are none")
    rows, channels, high, wide = latent.samples.shape
    require_room(rows * amount, wide, high, channels, of="cells")
    mask = latent.noise_mask
    if mask is not None and len(mask) > 1:
        mask = Mask(mask.values.repeat(amount, 1, 1))
    indices = [item.index for item in latent.items]
    offset = max(indices) - min(indices) + 1
    items = tuple(
        Item(item.index + copy * offset, item.batch_size + (amount - 1) * offset)
        for copy in range(amount)
        for item in latent.items
    )
    return Latent(latent.samples.repeat(amount, 1, 1, 1), latent.format, items, mask)


def same_noise(latent: Latent) -> Latent:
    """The same latents, all with the noise of the first."""
    return Latent(latent.samples, latent.format, latent.items[:1] * len(latent), latent.noise_mask)


def new_noise(latent: Latent) -> Latent:
    """The same latents as a batch of their own: row k gets the noise of item k."""
    return Latent(latent.samples, latent.format, (), latent.noise_mask)
