"""Blur, sharpening and grain of pictures."""

import math
from collections.abc import Collection, Mapping

import torch
import torch.nn.functional as F
from torch import Tensor

from nodeflow.diffusion.channels import colours, recoloured
from nodeflow.diffusion.errors import ValueRuleError
from nodeflow.diffusion.rasters import Image

_GROUP = 16


def gaussian_weights(radius: int, sigma: float) -> Tensor:
    """The 2 radius + 1 weights of a Gaussian of `sigma` pixels, cut off at the radius; they add up to 1."""
    place = torch.arange(-radius, radius + 1, dtype=torch.float32)
    weights = torch.exp(-(place**2) / (2.0 * sigma**2))
    return weights / weights.sum()


def smoothed(planes: Tensor, weights: Tensor) -> Tensor:
    """Convolves [B, C, H, W] with `weights` along both axes; pictures are mirrored at their edge pixels.

    Raises:
        ValueRuleError: The radius is not smaller than the pictures, which leaves nothing to mirror.
    """
    radius, channels = len(weights) // 2, planes.shape[1]
    if radius >= min(planes.shape[-2:]):
        size = f"{planes.shape[-1]}x{planes.shape[-2]}"
        raise ValueRuleError(f"radius {radius} does not fit into {size}; it must be below both sides")
    padded = F.pad(planes, (radius,) * 4, mode="reflect")
    kernel = weights.to(planes).expand(channels, 1, -1)
    across = F.conv2d(padded, kernel[:, :, None, :], groups=channels)
    return F.conv2d(across, kernel[:, :, :, None], groups=channels)


def blurred(image: Image, radius: int, sigma: float) -> Image:
    """Blurs pictures with a Gaussian of sigma x radius pixels, cut off at the radius; an alpha channel stays as it is.

    Raises:
        ValueRuleError: The radius is not smaller than the pictures.
    """
    planes = colours(image).permute(0, 3, 1, 2)  # b h w c -> b c h w
    return recoloured(image, smoothed(planes, gaussian_weights(radius, sigma * radius)).permute(0, 2, 3, 1))


def sharpened(image: Image, radius: int, sigma: float, alpha: float) -> Image:
    """Takes away ten times `alpha` of what a blur would add: an unsharp mask; an alpha channel stays as it is.

    Raises:
        ValueRuleError: The radius is not smaller than the pictures.
    """
    planes = colours(image).permute(0, 3, 1, 2)  # b h w c -> b c h w
    return recoloured(image, unsharp(planes, radius, sigma, alpha).permute(0, 2, 3, 1))


def unsharp(planes: Tensor, radius: int, sigma: float, alpha: float) -> Tensor:
    """Sharpens planes [B, C, H, W] as `sharpened` does pictures.

    Raises:
        ValueRuleError: The radius is not smaller than the planes.
    """
    return planes + 10.0 * alpha * (planes - smoothed(planes, gaussian_weights(radius, sigma * radius)))


def grained(image: Image, seed: int, strength: float) -> Image:
    """Adds normal noise of standard deviation `strength`; an alpha channel stays as it is.

    The noise is drawn on the CPU for the whole batch that a picture is of, so that it gets the same alone.
    """
    pixels = colours(image)
    wanted: dict[int, set[int]] = {}
    for item in image.items:
        wanted.setdefault(item.batch_size, set()).add(item.index)
    drawn = {size: _drawn(seed, (size, *pixels.shape[1:]), rows) for size, rows in wanted.items()}
    noise = torch.stack([drawn[item.batch_size][item.index] for item in image.items])
    return recoloured(image, pixels + strength * noise.to(pixels))


def _drawn(seed: int, shape: tuple[int, ...], wanted: Collection[int]) -> Mapping[int, Tensor]:
    """Some rows of `torch.randn(shape)`, without those between them taking memory.

    Its numbers come in groups of 16, so 16 rows at a time are the same as all at once; only a rest of less than one
    group would be others, and is drawn along with the rows before it.
    """
    generator, count, size = torch.Generator().manual_seed(seed), shape[0], math.prod(shape[1:])
    kept: dict[int, Tensor] = {}
    start = 0
    while start <= max(wanted):
        stop = min(start + _GROUP, count)
        stop = count if (count - stop) * size < _GROUP else stop
        rows = torch.randn((stop - start, *shape[1:]), generator=generator)
        kept |= {row: rows[row - start].clone() for row in wanted if start <= row < stop}
        start = stop
    return kept
