"""Pictures as arrays of bytes, at other sizes, and side by side."""

import math
from collections.abc import Sequence
from typing import Literal, get_args

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from nodeflow.diffusion.errors import ValueRuleError
from nodeflow.diffusion.types import Image

ImageMethod = Literal["nearest-exact", "bilinear", "area", "bicubic", "lanczos"]
Crop = Literal["disabled", "center"]
Pixels = NDArray[np.uint8]


def from_uint8(arrays: Sequence[Pixels]) -> Image:
    """Makes a batch of pictures from bytes.

    Args:
        arrays: One or more uint8 [H, W, 3 or 4], all of one shape.

    Returns:
        The bytes divided by 255.

    Raises:
        ValueRuleError: No array, another dtype, or different shapes.
    """
    if not arrays or any(array.dtype != np.uint8 for array in arrays):
        raise ValueRuleError("pictures are made from one or more uint8 arrays [height, width, channels]")
    if len({array.shape for array in arrays}) > 1:
        shapes = " and ".join(sorted({str(list(array.shape)) for array in arrays}))
        raise ValueRuleError(f"pictures of one batch must have one size, found {shapes}")
    return Image(torch.from_numpy(np.stack(arrays)).float() / 255.0)


def to_uint8(image: Image) -> list[Pixels]:
    """Gives each picture as uint8 [H, W, C]: floor(255 x), what files contain."""
    data: Pixels = (image.pixels * 255.0).clamp(0, 255).to("cpu", torch.uint8).numpy()
    return list(data)


def scale_image(
    image: Image, width: int, height: int, method: ImageMethod = "lanczos", crop: Crop = "disabled"
) -> Image:
    """Scales pictures.

    Args:
        image: The pictures.
        width: In pixels; 0 follows from `height` by the pictures' aspect.
        height: In pixels; 0 follows from `width`.
        method: "lanczos" works on bytes by Pillow, as ComfyUI's does; the others are torch's.
        crop: "center" cuts the middle out to the new aspect first, "disabled" squeezes.

    Returns:
        Pictures of `height` and `width`, 0..1.

    Raises:
        ValueRuleError: A size below 0 or both 0, an unknown method or crop.
    """
    if method not in get_args(ImageMethod) or crop not in get_args(Crop):
        raise ValueRuleError(f"scaling by {method!r} with crop {crop!r} is unknown")
    wide, high = _full_size(image, width, height)
    pixels = _cropped(image.pixels, wide / high) if crop == "center" else image.pixels
    if method == "lanczos":
        return image.replace(pixels=_lanczos(pixels, wide, high))
    planes = pixels.permute(0, 3, 1, 2)  # b h w c -> b c h w
    scaled = F.interpolate(planes, size=(high, wide), mode=method).clamp(0.0, 1.0)  # bicubic overshoots
    return image.replace(pixels=scaled.permute(0, 2, 3, 1).contiguous())


def sheet(images: Sequence[Image], columns: int, gap: int = 0) -> Image:
    """Lays all pictures out on one, row by row, on white.

    Args:
        images: Batches of one size; their alpha, if any, is dropped.
        columns: Pictures beside each other, 1 or more.
        gap: Pixels between pictures, 0 or more.

    Returns:
        One picture [1, H, W, 3].

    Raises:
        ValueRuleError: No picture, no column, a negative gap, or different sizes.
    """
    if not images or columns < 1 or gap < 0:
        raise ValueRuleError(f"a sheet of {len(images)} batches in {columns} columns with gap {gap} is not possible")
    first, *others = [image.replace(pixels=image.pixels[..., :3]) for image in images]
    pictures = first.concat(*others)
    across = min(columns, len(pictures))
    down = math.ceil(len(pictures) / across)
    high, wide = pictures.height, pictures.width
    canvas = torch.ones(1, down * (high + gap) - gap, across * (wide + gap) - gap, 3)
    for index, picture in enumerate(pictures.pixels):
        top, left = index // across * (high + gap), index % across * (wide + gap)
        canvas[0, top : top + high, left : left + wide] = picture
    return Image(canvas)


def _full_size(image: Image, width: int, height: int) -> tuple[int, int]:
    if width < 0 or height < 0 or width == height == 0:
        raise ValueRuleError(f"pictures cannot be scaled to {width} x {height}")
    wide = width or max(1, round(image.width * height / image.height))
    high = height or max(1, round(image.height * width / image.width))
    return wide, high


def _cropped(pixels: Tensor, aspect: float) -> Tensor:
    """Cuts [B, H, W, C] centrally to width / height = `aspect`."""
    high, wide = pixels.shape[1:3]
    left = round((wide - high * aspect) / 2) if wide / high > aspect else 0
    top = round((high - wide / aspect) / 2) if wide / high < aspect else 0
    return pixels[:, top : high - top, left : wide - left]


def _lanczos(pixels: Tensor, width: int, height: int) -> Tensor:
    from PIL import Image as Pillow

    scaled = [
        np.asarray(Pillow.fromarray(array).resize((width, height), Pillow.Resampling.LANCZOS))
        for array in to_uint8(Image(pixels.contiguous()))
    ]
    return torch.from_numpy(np.stack(scaled)).float() / 255.0
