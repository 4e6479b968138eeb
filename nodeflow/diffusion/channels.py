"""The transparency of pictures: apart from their colours, and of one kind in two batches."""

import torch
from torch import Tensor

from nodeflow.diffusion.rasters import Image, Mask


def colours(image: Image) -> Tensor:
    """The red, green and blue of pictures, [B, H, W, 3]."""
    return image.pixels[..., :3]


def recoloured(image: Image, pixels: Tensor) -> Image:
    """Pictures with other colours [B, H, W, 3], brought into 0..1, and the transparency they had."""
    return image.replace(pixels=torch.cat([pixels.clamp(0.0, 1.0), image.pixels[..., 3:]], dim=-1))


def opaque(pixels: Tensor, channels: int) -> Tensor:
    """Pixels with so many channels: an alpha of 1 is put on, or theirs is left out."""
    if pixels.shape[-1] < channels:
        return torch.cat([pixels, torch.ones_like(pixels[..., :1])], dim=-1)
    return pixels[..., :channels]


def split_alpha(image: Image) -> tuple[Image, Mask]:
    """Takes pictures apart into their colours and a mask that is 1 where they are transparent."""
    alpha = image.pixels[..., 3] if image.pixels.shape[3] == 4 else torch.ones_like(image.pixels[..., 0])
    return image.replace(pixels=colours(image).contiguous()), Mask(1.0 - alpha)
