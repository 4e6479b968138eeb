"""Latents from nothing, and latents of other sizes."""

from typing import Literal, get_args

import torch
import torch.nn.functional as F

from nodeflow.diffusion.errors import ValueRuleError
from nodeflow.diffusion.types import Latent

LatentMethod = Literal["nearest-exact", "bilinear", "area", "bicubic"]

CELL = 8
"""Pixels per latent cell in all families so far."""


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
        ValueRuleError: A size that is no positive multiple of 8, no row, or no channel.
    """
    for name, size in (("width", width), ("height", height)):
        if size < CELL or size % CELL:
            near = max(CELL, (size + CELL // 2) // CELL * CELL)
            raise ValueRuleError(f"{name} {size} is no multiple of {CELL}; try {near}")
    if batch_size < 1 or channels < 1:
        raise ValueRuleError(f"an empty latent of {batch_size} rows and {channels} channels is not possible")
    return Latent(torch.zeros(batch_size, channels, height // CELL, width // CELL))


def upscale_latent(latent: Latent, factor: float, method: LatentMethod = "nearest-exact") -> Latent:
    """Scales latents by a factor above 0, rounding to whole cells.

    Raises:
        ValueRuleError: The factor is not above 0, the result has no cell, or the method is unknown.
    """
    if not 0.0 < factor < float("inf"):
        raise ValueRuleError(f"factor {factor:g} is not above 0")
    height, width = latent.samples.shape[-2:]
    return _resized(latent, round(width * factor), round(height * factor), method)


def resize_latent(latent: Latent, width: int, height: int, method: LatentMethod = "nearest-exact") -> Latent:
    """Scales latents to a size in pixels, rounded down to whole cells.

    Raises:
        ValueRuleError: The size is below one cell, or the method is unknown.
    """
    return _resized(latent, width // latent.factor, height // latent.factor, method)


def _resized(latent: Latent, columns: int, rows: int, method: LatentMethod) -> Latent:
    if method not in get_args(LatentMethod):
        raise ValueRuleError(f"method {method!r} is unknown; there are {', '.join(get_args(LatentMethod))}")
    if columns < 1 or rows < 1:
        raise ValueRuleError(f"a latent of {columns} x {rows} cells is not possible")
    return latent.replace(samples=F.interpolate(latent.samples, size=(rows, columns), mode=method))
