"""Blur, sharpening and grain of pictures."""

import torch
import torch.nn.functional as F
from torch import Tensor

from nodeflow.diffusion.channels import colours, recoloured
from nodeflow.diffusion.errors import ValueRuleError
from nodeflow.diffusion.rasters import Image


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
    sizes = {item.batch_size for item in image.items}
    drawn = {size: torch.randn((size, *pixels.shape[1:]), generator=_seeded(seed)) for size in sizes}
    noise = torch.stack([drawn[item.batch_size][item.index] for item in image.items])
    return recoloured(image, pixels + strength * noise.to(pixels))


def _seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)
