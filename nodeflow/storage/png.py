"""The text chunks of a PNG file, read and left out without decoding the picture."""

import struct
import zlib
from collections.abc import Collection, Iterator, Mapping

SIGNATURE = b"\x89PNG\r\n\x1a\n"
MAX_TEXT = 16 * 2**20
"""Bytes one text may take after decompression."""


class NotPng(ValueError):
    """The bytes are not a PNG file, or it is damaged."""


def read_texts(data: bytes) -> Mapping[str, str]:
    """All texts of a PNG file (tEXt, zTXt, iTXt) by their keyword; of several with one keyword the first.

    Raises:
        NotPng: The signature, a length or a checksum is wrong, or a text is larger than ``MAX_TEXT``.
    """
    texts: dict[str, str] = {}
    for kind, body in _chunks(data):
        if kind in _READERS:
            keyword, _, rest = body.partition(b"\0")
            texts.setdefault(keyword.decode("latin-1"), _READERS[kind](rest))
    return texts


def without_texts(data: bytes, keywords: Collection[str]) -> bytes:
    """A PNG file without the texts of these keywords; any other file as it is."""
    if not data.startswith(SIGNATURE):
        return data
    names = {keyword.encode("latin-1") for keyword in keywords}
    kept = [SIGNATURE]
    for kind, body in _chunks(data):
        if kind not in _READERS or body.partition(b"\0")[0] not in names:
            kept.append(_chunk(kind, body))
    return b"".join([*kept, _chunk(b"IEND", b"")])


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(body, zlib.crc32(kind)))


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    if not data.startswith(SIGNATURE):
        raise NotPng("this is not a PNG file")
    place = len(SIGNATURE)
    while place + 12 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, place)
        end = place + 8 + length
        if end + 4 > len(data):
            break
        body = data[place + 8 : end]
        if zlib.crc32(body, zlib.crc32(kind)) != struct.unpack_from(">I", data, end)[0]:
            raise NotPng(f"the PNG file is damaged: the checksum of chunk {kind!r} is wrong")
        if kind == b"IEND":
            return
        yield kind, body
        place = end + 4
    raise NotPng("the PNG file is cut off")


def _plain(rest: bytes) -> str:
    return rest.decode("latin-1")


def _compressed(rest: bytes) -> str:
    return _inflate(rest[1:]).decode("latin-1")


def _international(rest: bytes) -> str:
    flags, remainder = rest[:2], rest[2:]
    _language, _, remainder = remainder.partition(b"\0")
    _translated, _, text = remainder.partition(b"\0")
    return (_inflate(text) if flags[:1] == b"\1" else text).decode("utf-8", errors="replace")


_READERS = {b"tEXt": _plain, b"zTXt": _compressed, b"iTXt": _international}


def _inflate(data: bytes) -> bytes:
    machine = zlib.decompressobj()
    try:
        text = machine.decompress(data, MAX_TEXT)
    except zlib.error as error:
        raise NotPng(f"the PNG file is damaged: {error}") from error
    if machine.unconsumed_tail:
        raise NotPng(f"a text in the PNG file is larger than {MAX_TEXT} bytes")
    return text
