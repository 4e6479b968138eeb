"""The bytes of one file of the result cache: self-describing, and verified as a whole.

A file is a line that names the format, the sha256 of all that follows, the length of a JSON header, the header, and
the blobs whose lengths the header lists. One changed, missing or extra byte anywhere makes it invalid.
"""

import json
from collections.abc import Sequence
from hashlib import sha256
from typing import Any

from nodeflow.core.stored import Stored
from nodeflow.core.types import Encoded

_MAGIC = b"nodeflow result 1\n"
_DIGEST_BYTES = 32
_LENGTH_BYTES = 8
_BODY = len(_MAGIC) + _DIGEST_BYTES


class DamagedFile(ValueError):
    """Not a file of this format, or not as it was written."""


def pack_result(key: bytes, stored: Stored) -> list[bytes | memoryview]:
    """The file for a result, in parts to be written one after another."""
    blobs = [memoryview(blob).cast("B") for blob in stored.content.blobs]
    header = {
        "key": key.hex(),
        "type": stored.type,
        "seconds": stored.seconds,
        "total": stored.total,
        "blobs": [blob.nbytes for blob in blobs],
        "content": stored.content.header,
    }
    return seal([_sized(json.dumps(header, separators=(",", ":")).encode()), *blobs])


def unpack_result(key: bytes, data: bytes) -> Stored:
    """Read back what ``pack_result`` made.

    Raises:
        DamagedFile: Anything but the complete file for ``key``.
    """
    body = unseal(data)
    length = int.from_bytes(body[:_LENGTH_BYTES], "big")
    start = _LENGTH_BYTES + length
    try:
        header: dict[str, Any] = json.loads(bytes(body[_LENGTH_BYTES:start]))
        if header["key"] != key.hex():
            raise DamagedFile("the result of another key")
        blobs: list[bytes | memoryview] = []
        for size in header["blobs"]:
            blobs.append(body[start : start + size])
            start += size
        return Stored(header["type"], header["seconds"], header["total"], Encoded(header["content"], blobs))
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise DamagedFile(str(error)) from None


def pack_records(records: Sequence[tuple[str, bytes]]) -> list[bytes | memoryview]:
    """The file for the key records of one run."""
    parts: list[bytes | memoryview] = []
    for name, record in records:
        parts += (_sized(name.encode()), _sized(record))
    return seal(parts)


def unpack_records(data: bytes) -> dict[str, bytes]:
    """Read back what ``pack_records`` made.

    Raises:
        DamagedFile: Anything else.
    """
    body = unseal(data)
    found: list[bytes] = []
    at = 0
    while at < len(body):
        start = at + _LENGTH_BYTES
        at = start + int.from_bytes(body[at:start], "big")
        found.append(bytes(body[start:at]))
    return {name.decode(): record for name, record in zip(found[::2], found[1::2], strict=True)}


def seal(parts: Sequence[bytes | memoryview]) -> list[bytes | memoryview]:
    """Put the format's name and the digest of ``parts`` before them."""
    digest = sha256()
    for part in parts:
        digest.update(part)
    return [_MAGIC + digest.digest(), *parts]


def unseal(data: bytes) -> memoryview:
    """What was sealed.

    Raises:
        DamagedFile: It is not as it was.
    """
    body = memoryview(data)[_BODY:]
    if data[:_BODY] != _MAGIC + sha256(body).digest():
        raise DamagedFile("the digest does not fit the content")
    return body


def _sized(data: bytes) -> bytes:
    return len(data).to_bytes(_LENGTH_BYTES, "big") + data
