"""Pictures as arrays of bytes, at other sizes, and side by side."""

import math
from collections.abc import Sequence
from typing import Literal, get_args

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from nodeflow.diffusion.cropping import central
from nodeflow.diffusion.errors import ValueRuleError
from nodeflow.diffusion.room import require_room
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


def plain(width: int, height: int, rows: int = 1, colour: int = 0) -> Image:
    """Gives pictures of one colour, 0xRRGGBB.

    Raises:
        ValueRuleError: They do not fit into memory.
    """
    require_room(rows, width, height)
    red_green_blue = torch.tensor([colour >> 16 & 255, colour >> 8 & 255, colour & 255]) / 255.0
    return Image(red_green_blue.expand(rows, height, width, 3).contiguous())


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
        ValueRuleError: A size below 0 or both 0, more than fits into memory, an unknown method or crop.
    """
    if method not in get_args(ImageMethod) or crop not in get_args(Crop):
        raise ValueRuleError(f"scaling by {method!r} with crop {crop!r} is unknown")
    wide, high = _full_size(image, width, height)
    require_room(len(image), wide, high, image.pixels.shape[3])
    scaled = resampled(image.pixels, wide, high, method, crop).clamp(0.0, 1.0)  # bicubic overshoots
    return image.replace(pixels=scaled.contiguous())


def resampled(pixels: Tensor, width: int, height: int, method: ImageMethod, crop: Crop = "disabled") -> Tensor:
    """Scales numbers [B, H, W, C] as `scale_image` does, but leaves what bicubic overshoots.

    Args:
        pixels: What to scale; for lanczos 3 or 4 channels in 0..1.
        width: In pixels, 1 or more.
        height: In pixels, 1 or more.
        method: How numbers between the old ones are found.
        crop: Whether the middle is cut out to the new aspect first.
    """
    kept = pixels[:, *central(pixels.shape[1], pixels.shape[2], width / height)] if crop == "center" else pixels
    if method == "lanczos":  # which rounds down to bytes even where nothing is scaled
        return _lanczos(kept, width, height)
    if kept.shape[1:3] == (height, width):
        return kept
    planes = kept.permute(0, 3, 1, 2)  # b h w c -> b c h w
    return F.interpolate(planes, size=(height, width), mode=method).permute(0, 2, 3, 1)


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


def _lanczos(pixels: Tensor, width: int, height: int) -> Tensor:
    from PIL import Image as Pillow

    scaled = [
        np.asarray(Pillow.fromarray(array).resize((width, height), Pillow.Resampling.LANCZOS))
        for array in to_uint8(Image(pixels.contiguous()))
    ]
    return torch.from_numpy(np.stack(scaled)).float() / 255.0
