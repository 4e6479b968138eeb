"""Batches as moving pictures: files whose frames follow each other."""

import io
from collections.abc import Mapping
from typing import Literal

from PIL import Image as Pillow

from nodeflow.diffusion.errors import ValueRuleError
from nodeflow.diffusion.images import to_uint8
from nodeflow.diffusion.pictures import exif_texts, text_chunks
from nodeflow.diffusion.types import Image

Method = Literal["default", "fastest", "slowest"]

_METHODS = {"default": 4, "fastest": 0, "slowest": 6}


def write_animated_png(
    image: Image, fps: float = 6.0, *, compression: int = 4, text: Mapping[str, str] | None = None
) -> bytes:
    """Encodes the rows of a batch as the frames of an animated PNG that repeats for ever.

    Args:
        image: The batch.
        fps: Frames in a second.
        compression: zlib level 0 to 9.
        text: Text chunks.

    Raises:
        ValueRuleError: The pictures are larger than the format allows.
    """
    options = {"compress_level": compression, "pnginfo": text_chunks(text or {}), "loop": 0}
    return _written(image, "PNG", fps, options)


def write_animated_webp(
    image: Image,
    fps: float = 6.0,
    *,
    lossless: bool = True,
    quality: int = 80,
    method: Method = "default",
    text: Mapping[str, str] | None = None,
) -> bytes:
    """Encodes the rows of a batch as the frames of an animated WebP that repeats for ever.

    Args:
        image: The batch.
        fps: Frames in a second.
        lossless: Whether every pixel that can be seen stays what it is. In several frames WebP drops the colour of a
            pixel whose alpha is 0, which reads back black; an animated PNG keeps it.
        quality: 0 to 100; of a lossless file how hard to compress.
        method: How much time to take for a smaller file.
        text: Texts in JSON, kept as EXIF in the form `name:text`; four at most.

    Raises:
        ValueRuleError: The pictures are larger than the format allows.
    """
    options = {"lossless": lossless, "quality": quality, "method": _METHODS[method], "loop": 0, "exact": lossless}
    return _written(image, "WEBP", fps, {**options, "exif": exif_texts(text or {})})


def _written(image: Image, format: str, fps: float, options: Mapping[str, object]) -> bytes:
    first, *others = map(Pillow.fromarray, to_uint8(image))
    duration = max(1, int(1000.0 / fps))  # milliseconds
    stream = io.BytesIO()
    try:
        first.save(stream, format, save_all=True, append_images=others, duration=duration, **dict(options))
    except (OSError, ValueError, RuntimeError) as error:  # the last is how the encoder of WebP says anything
        size = f"{len(image)} frames of {first.width}x{first.height}"
        raise ValueRuleError(f"{size} cannot be written as {format}: {error}") from error
    return stream.getvalue()
