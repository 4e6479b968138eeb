"""The texts that a WebP file carries as EXIF in the form ``name:text``, read without decoding the picture.

ComfyUI keeps its texts in the same way, under other names.
"""

import struct
from collections.abc import Iterator, Mapping
from typing import Final

from nodeflow.storage.png import MAX_TEXT

SIGNATURE_LENGTH: Final = 12
_TAGS: Final = frozenset({0x010F, 0x0110, 0x010E, 0x0131})
"""Tags of EXIF that hold a text each: make, model, description, software."""
_ASCII: Final = 2
_ORDERS: Final = {b"II*\0": "<", b"MM\0*": ">"}
_MARK: Final = b"Exif\0\0"
"""What some programs write in front of EXIF; it belongs to JPEG."""


class NotWebp(ValueError):
    """The bytes are not a WebP file, or it is damaged."""


def is_webp(data: bytes) -> bool:
    """Whether a file that begins so is WebP."""
    return data[:4] == b"RIFF" and data[8:SIGNATURE_LENGTH] == b"WEBP"


def read_texts(data: bytes) -> Mapping[str, str]:
    """The texts by their names.

    Raises:
        NotWebp: The signature, a length or a place is wrong, or a text is larger than ``MAX_TEXT``.
    """
    exif = next((body for kind, body in _chunks(data) if kind == b"EXIF"), None)
    if exif is None:
        return {}
    texts: dict[str, str] = {}
    for text in _ascii_values(exif.removeprefix(_MARK)):
        name, colon, rest = text.rstrip(b"\0").decode("utf-8", errors="replace").partition(":")
        if colon:
            texts.setdefault(name, rest)
    return texts


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    if not is_webp(data):
        raise NotWebp("this is not a WebP file")
    (size,) = struct.unpack_from("<I", data, 4)
    place, end = SIGNATURE_LENGTH, 8 + size
    if end > len(data):
        raise NotWebp("the WebP file is cut off")
    while place + 8 <= end:
        kind, length = struct.unpack_from("<4sI", data, place)
        place += 8
        if place + length > end:
            raise NotWebp("the WebP file is damaged: a part of it reaches beyond its end")
        yield kind, data[place : place + length]
        place += length + length % 2


def _ascii_values(exif: bytes) -> Iterator[bytes]:
    """The values of the tags with texts, of several with one tag the first."""
    order = _ORDERS.get(exif[:4])
    try:
        if order is None:
            raise NotWebp("the WebP file is damaged: its EXIF has no beginning")
        (directory,) = struct.unpack_from(f"{order}I", exif, 4)
        (count,) = struct.unpack_from(f"{order}H", exif, directory)
        entries = [struct.unpack_from(f"{order}HHI", exif, directory + 2 + 12 * index) for index in range(count)]
    except struct.error as error:
        raise NotWebp("the WebP file is damaged: its EXIF is cut off") from error
    seen = set[int]()
    for index, (tag, kind, length) in enumerate(entries):
        if tag in _TAGS and tag not in seen and kind == _ASCII:
            seen.add(tag)
            yield _value(exif, order, directory + 2 + 12 * index + 8, length)


def _value(exif: bytes, order: str, field: int, length: int) -> bytes:
    """What an entry holds: in its last four bytes if it fits, else where these say."""
    if length > MAX_TEXT:
        raise NotWebp(f"a text in the WebP file is larger than {MAX_TEXT} bytes")
    place = field
    if length > 4:
        (place,) = struct.unpack_from(f"{order}I", exif.ljust(field + 4, b"\0"), field)
    if place + length > len(exif):
        raise NotWebp("the WebP file is damaged: a text in its EXIF reaches beyond its end")
    return exif[place : place + length]
