"""Pictures of few colours."""

from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow

from nodeflow.diffusion.channels import colours, recoloured
from nodeflow.diffusion.errors import ValueRuleError
from nodeflow.diffusion.images import Pixels, from_uint8, to_uint8
from nodeflow.diffusion.types import Image

Dither = Literal["none", "floyd-steinberg", "bayer-2", "bayer-4", "bayer-8", "bayer-16"]


def quantized(image: Image, colors: int = 256, dither: Dither = "none") -> Image:
    """Reduces each picture to a palette of its own, found by median cut; an alpha channel stays as it is.

    Args:
        image: The pictures.
        colors: How many colours each may have, 1 to 256.
        dither: How colours between those of the palette are imitated: not at all, by spreading the error over the next
            pixels, or by an ordered pattern (Bayer 1973) of so many pixels on either side.

    Raises:
        ValueRuleError: Another number of colours, or an unknown dither.
    """
    if dither not in get_args(Dither) or not 1 <= colors <= 256:
        raise ValueRuleError(f"quantizing to {colors} colours with dither {dither!r} is not possible")
    plain = to_uint8(Image(colours(image)))
    reduced = from_uint8([_reduced(pixels, colors, dither) for pixels in plain])
    return recoloured(image, reduced.pixels.to(image.pixels.device))


def bayer_matrix(size: int) -> NDArray[np.float32]:
    """Thresholds of ordered dithering, evenly spread around 0 within ±0.5, [size, size]; `size` is a power of 2."""
    matrix = np.zeros((1, 1), np.float32)
    while len(matrix) < size:
        step = np.float32(1.0 / (4 * matrix.size))
        matrix = np.block([[matrix - 1.5 * step, matrix + 0.5 * step], [matrix + 1.5 * step, matrix - 0.5 * step]])
    return matrix


def _reduced(pixels: Pixels, colors: int, dither: Dither) -> Pixels:
    picture = Pillow.fromarray(pixels)
    # Only a picture that brings its palette is dithered (Pillow issue 5836).
    palette = picture.quantize(colors)
    kind, _, size = dither.partition("-")
    if kind == "bayer":
        picture = Pillow.fromarray(_patterned(pixels, int(size), len(palette.getpalette() or ()) // 3))
    spread = Pillow.Dither.FLOYDSTEINBERG if kind == "floyd" else Pillow.Dither.NONE
    return np.asarray(picture.quantize(colors, palette=palette, dither=spread).convert("RGB"))


def _patterned(pixels: Pixels, size: int, colors: int) -> Pixels:
    """Bytes with an ordered pattern added, as strong as the colours of the palette are far apart."""
    pattern = bayer_matrix(size) * np.float32(2 * 256 / colors) + np.float32(0.5)
    down, across = (-(-length // size) for length in pixels.shape[:2])
    tiled = np.tile(pattern, (down, across))[: pixels.shape[0], : pixels.shape[1], None]
    return (pixels.astype(np.float32) + tiled).clip(0, 255).astype(np.uint8)
