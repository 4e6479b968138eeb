"""What the head of a PNG, JPEG or WebP file says of its size, read before anything is decoded."""

import struct
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from nodeflow.storage import png, webp

_JPEG: Final = b"\xff\xd8\xff"
_SIZES: Final = frozenset({*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC})
"""Markers of JPEG after which the size stands."""
_BARE: Final = frozenset({0x01, *range(0xD0, 0xD9)})
"""Markers of JPEG without a length."""

SIGNATURE: Final = 12
"""So many bytes tell which format a file has."""


class HeadDamaged(ValueError):
    """The head of a picture does not say what it should."""


@dataclass(frozen=True, slots=True)
class PictureHead:
    """What a picture says of itself; the whole may still be damaged."""

    media_type: str
    width: int
    height: int
    frames: int = 1

    @property
    def pixels(self) -> int:
        """Those of all frames together."""
        return self.width * self.height * self.frames


def media_type_of(data: bytes) -> str | None:
    """The media type of a file that begins so; None when it is none of the pictures that are taken."""
    if data.startswith(png.SIGNATURE):
        return "image/png"
    if data.startswith(_JPEG):
        return "image/jpeg"
    return "image/webp" if webp.is_webp(data) else None


def read_head(data: bytes) -> PictureHead:
    """Size and frames of a picture.

    Raises:
        HeadDamaged: It is no picture of these formats, or its head is damaged.
    """
    media_type = media_type_of(data)
    if media_type is None:
        raise HeadDamaged("this is no PNG, JPEG or WebP file")
    try:
        width, height, frames = _READERS[media_type](data)
    except (struct.error, IndexError) as error:
        raise HeadDamaged("the picture is cut off in its head") from error
    if width < 1 or height < 1 or frames < 1:
        raise HeadDamaged(f"the picture says that it has {width} x {height} pixels and {frames} frames")
    return PictureHead(media_type, width, height, frames)


def _png(data: bytes) -> tuple[int, int, int]:
    _, kind, width, height = struct.unpack_from(">I4sII", data, 8)
    if kind != b"IHDR":
        raise HeadDamaged("the PNG file does not begin with its head")
    place, frames = 8, 1
    while place + 8 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, place)
        if kind == b"acTL":
            (frames,) = struct.unpack_from(">I", data, place + 8)
        if kind in (b"IDAT", b"IEND"):
            break
        place += length + 12
    return width, height, frames


def _jpeg(data: bytes) -> tuple[int, int, int]:
    place = 2
    while data[place] == 0xFF:
        marker = data[place + 1]
        if marker == 0xFF:  # filling
            place += 1
        elif marker in _BARE:
            place += 2
        elif marker in _SIZES:
            height, width = struct.unpack_from(">HH", data, place + 5)
            return width, height, 1
        else:
            (length,) = struct.unpack_from(">H", data, place + 2)
            place += 2 + max(2, length)
    raise HeadDamaged("the JPEG file has no size")


def _webp(data: bytes) -> tuple[int, int, int]:
    size: tuple[int, int] | None = None
    frames = 0
    for kind, place in _webp_chunks(data):
        frames += kind == b"ANMF"
        if kind in _WEBP_SIZES and size is None:
            size = _WEBP_SIZES[kind](data, place)
    if size is None:
        raise HeadDamaged("the WebP file has no size")
    return (*size, max(1, frames))


def _webp_chunks(data: bytes) -> Iterator[tuple[bytes, int]]:
    place = 12
    while place + 8 <= len(data):
        kind, length = struct.unpack_from("<4sI", data, place)
        yield kind, place + 8
        place += 8 + length + length % 2


def _extended(data: bytes, place: int) -> tuple[int, int]:
    width = int.from_bytes(data[place + 4 : place + 7], "little") + 1
    return width, int.from_bytes(data[place + 7 : place + 10], "little") + 1


def _lossy(data: bytes, place: int) -> tuple[int, int]:
    width, height = struct.unpack_from("<HH", data, place + 6)
    return width & 0x3FFF, height & 0x3FFF


def _lossless(data: bytes, place: int) -> tuple[int, int]:
    (bits,) = struct.unpack_from("<I", data, place + 1)
    return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1


_WEBP_SIZES: Final[Mapping[bytes, Callable[[bytes, int], tuple[int, int]]]] = {
    b"VP8X": _extended,
    b"VP8 ": _lossy,
    b"VP8L": _lossless,
}
_READERS: Final[Mapping[str, Callable[[bytes], tuple[int, int, int]]]] = {
    "image/png": _png,
    "image/jpeg": _jpeg,
    "image/webp": _webp,
}
