"""Picture files in and out: bytes of PNG, JPEG, WebP and others to `Image` values and back.

Reading is safe for files of unknown origin: only formats that are decoded in-process, a limit on pixels that is checked
before any of them is decoded, and one error for whatever a damaged file makes the decoder say.
"""

import io
import json
import re
import struct
import zlib
from collections.abc import Iterator, Mapping
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple, cast

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image as Pillow
from PIL import ImageOps, ImageSequence, UnidentifiedImageError
from PIL.PngImagePlugin import PngInfo

from nodeflow.diffusion.errors import DiffusionError, ValueRuleError
from nodeflow.diffusion.images import to_uint8
from nodeflow.diffusion.types import Image, Mask

PIXEL_LIMIT = 8192 * 8192
"""Pixels of all frames together that a file may hold by default: 805 MB once they are float32."""

READABLE = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF")
"""Formats that are read, by Pillow's names; EPS and others that would start outside programs are not among them."""

_EXIF_TEXTS = (0x010F, 0x0110, 0x010E, 0x0131)
"""Tags of EXIF that hold a text each: make, model, description, software."""

# What Pillow's decoders raise on damaged data; warnings too, where the caller has made errors of them.
_DAMAGED = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    struct.error,
    zlib.error,
    IndexError,
    KeyError,
    TypeError,
    Warning,
)


class PictureError(DiffusionError, ValueError):
    """A file is no picture, a damaged one, or too large."""


class FileFormat(StrEnum):
    """A format that pictures are written in; the value is the file's suffix."""

    PNG = "png"
    JPEG = "jpg"
    WEBP = "webp"

    @property
    def keeps_texts(self) -> bool:
        """Whether a file carries texts beside the picture."""
        return self is not FileFormat.JPEG


class Decoded(NamedTuple):
    """What a picture file holds.

    Attributes:
        image: Its frames as RGB rows.
        mask: 1 - alpha of each frame; zeros where the file has no transparency.
        skipped: Frames left out because their size is not the first one's.
    """

    image: Image
    mask: Mask
    skipped: int


def read_picture(source: Path | bytes, *, limit: int = PIXEL_LIMIT) -> Decoded:
    """Decodes a picture file, all frames of an animated one, turned upright by its EXIF orientation.

    16-bit grey keeps its precision; of 16-bit colour Pillow gives the upper eight bits.

    Args:
        source: The file, or what is in it.
        limit: Pixels of all frames together that are accepted; Pillow has its own limit, 178 million in one frame.

    Raises:
        PictureError: It is no picture, damaged, or larger than `limit`.
        FileNotFoundError: There is no such file.
    """
    name = source.name if isinstance(source, Path) else "the data"
    data = source.read_bytes() if isinstance(source, Path) else source
    try:
        return _decode(data, name, limit)
    except (Pillow.DecompressionBombError, Pillow.DecompressionBombWarning) as error:
        raise PictureError(f"{name} has far more than the {limit:,} pixels allowed; scale it down first") from error
    except UnidentifiedImageError as error:
        known = ", ".join(READABLE)
        raise PictureError(f"{name} is not a picture that can be read; expected one of {known}") from error
    except PictureError:
        raise
    except _DAMAGED as error:
        raise PictureError(f"{name} is damaged: {error}; open it in a picture editor and save it anew") from error


def write_picture(
    image: Image,
    format: FileFormat = FileFormat.PNG,
    *,
    row: int = 0,
    quality: int = 90,
    compression: int = 4,
    text: Mapping[str, str] | None = None,
) -> bytes:
    """Encodes one row of a batch; bytes are floor(255 x).

    Args:
        image: The batch.
        format: JPEG has no transparency: what is transparent becomes white.
        row: Which row of it.
        quality: 1 to 100 for JPEG and WebP, where 100 makes WebP lossless; PNG is always lossless.
        compression: zlib level 0 to 9 of PNG.
        text: Text chunks of PNG; WebP keeps them as EXIF, if they are JSON and four at most, and JPEG does not.

    Raises:
        ValueRuleError: There is no such row, or the picture is larger than the format allows.
    """
    (pixels,) = to_uint8(image.select([row]))
    picture = Pillow.fromarray(pixels)
    stream = io.BytesIO()
    exif = exif_texts(text or {})
    try:
        match format:
            case FileFormat.PNG:
                picture.save(stream, "PNG", compress_level=compression, pnginfo=text_chunks(text or {}))
            case FileFormat.JPEG:
                picture = _on_white(picture)
                picture.save(stream, "JPEG", quality=quality, subsampling=0 if quality >= 90 else 2)
            case FileFormat.WEBP:
                picture.save(stream, "WEBP", quality=quality, lossless=quality == 100, exact=True, exif=exif)
    except (OSError, ValueError) as error:
        size = f"{picture.width}x{picture.height}"
        raise ValueRuleError(f"image: {size} cannot be written as {format.name}: {error}") from error
    return stream.getvalue()


def _decode(data: bytes, name: str, limit: int) -> Decoded:
    with Pillow.open(io.BytesIO(data), formats=READABLE) as picture:
        # Multi-picture JPEG (MPO) holds other views of the same scene, not frames.
        count = 1 if picture.format == "MPO" else int(getattr(picture, "n_frames", 1))
        pixels = picture.width * picture.height * count
        if pixels > limit:
            raise PictureError(
                f"{name} has {pixels:,} pixels ({count} x {picture.width}x{picture.height}), "
                f"more than the {limit:,} allowed; scale it down first"
            )
        frames = [_planes(frame) for frame in _frames(picture, count)]
    image = Image(torch.from_numpy(np.stack([colour for colour, _ in frames])))
    mask = Mask(torch.from_numpy(np.stack([transparent for _, transparent in frames])))
    return Decoded(image, mask, count - len(frames))


def _frames(picture: Pillow.Image, count: int) -> Iterator[Pillow.Image]:
    """Gives the upright frames that are as large as the first."""
    if count == 1:
        yield ImageOps.exif_transpose(picture)
        return
    size = picture.size
    for frame in ImageSequence.Iterator(picture):
        if frame.size == size:
            yield ImageOps.exif_transpose(frame)


def _planes(frame: Pillow.Image) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Gives colour [H, W, 3] and 1 - alpha [H, W] of a frame, both 0..1."""
    if frame.mode.startswith("I") or frame.mode == "F":
        top = np.float32(1.0 if frame.mode == "F" else 65535.0)
        grey = np.nan_to_num(np.asarray(frame).astype(np.float32) / top).clip(0.0, 1.0)
        return np.stack([grey, grey, grey], axis=-1), np.zeros_like(grey)
    if not frame.has_transparency_data:
        colour = _unit(frame.convert("RGB"))
        return colour, np.zeros(colour.shape[:2], np.float32)
    both = _unit(frame.convert("RGBA"))
    return np.ascontiguousarray(both[..., :3]), np.float32(1.0) - both[..., 3]


def _unit(picture: Pillow.Image) -> NDArray[np.float32]:
    """Gives 8-bit pixels as numbers in 0..1; floor(255 x) of them is exactly what they were."""
    return cast("NDArray[np.float32]", np.asarray(picture).astype(np.float32) / np.float32(255.0))


def text_chunks(text: Mapping[str, str]) -> PngInfo:
    info = PngInfo()
    for key, value in text.items():
        info.add_text(key, value)
    return info


def exif_texts(text: Mapping[str, str]) -> Pillow.Exif:
    """EXIF with texts in JSON in the form `name:text`; four at most."""
    exif = Pillow.Exif()
    for tag, (name, value) in zip(_EXIF_TEXTS, text.items(), strict=False):
        exif[tag] = f"{name}:{_in_ascii(value)}"
    return exif


def _in_ascii(text: str) -> str:
    """The same JSON in ASCII, which is all that EXIF has."""
    return re.sub(r"[^\x00-\x7f]", lambda letter: json.dumps(letter[0])[1:-1], text)


def _on_white(picture: Pillow.Image) -> Pillow.Image:
    if picture.mode == "RGB":
        return picture
    white = Pillow.new("RGBA", picture.size, "white")
    return Pillow.alpha_composite(white, picture).convert("RGB")
