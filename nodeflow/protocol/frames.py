"""How messages between server and worker lie on the wire: lengths, a head in JSON, a body of bytes."""

import json
from collections.abc import Iterator
from struct import Struct
from typing import Final, NamedTuple

from pydantic import BaseModel
from pydantic_core import PydanticSerializationError

_LENGTHS: Final = Struct(">II")
MAX_HEAD: Final = 64 * 2**20
MAX_BODY: Final = 256 * 2**20


class Frame(NamedTuple):
    """One message as it travels: JSON of the message, and what it carries."""

    head: bytes
    body: bytes = b""


class BrokenStream(ValueError):
    """What came is no frame: the other side is not what it should be, or has lost its way."""


def pack(message: BaseModel, body: bytes = b"") -> bytes:
    """A message as bytes."""
    try:
        head = message.model_dump_json().encode()
    except PydanticSerializationError:  # a text that is no Unicode, such as a file name in another encoding
        head = json.dumps(message.model_dump(mode="json"), ensure_ascii=False).encode("utf-8", "replace")
    return b"".join((_LENGTHS.pack(len(head), len(body)), head, body))


class Unpacker:
    """Puts frames together from the pieces in which a stream hands them over."""

    def __init__(self) -> None:
        self._pieces = bytearray()

    def feed(self, data: bytes) -> Iterator[Frame]:
        """Takes what was read and gives the frames that are whole by now.

        Raises:
            BrokenStream: A length is impossible.
        """
        pieces = self._pieces
        pieces += data
        start = 0
        try:
            while len(pieces) - start >= _LENGTHS.size:
                head, body = _LENGTHS.unpack_from(pieces, start)
                if head > MAX_HEAD or body > MAX_BODY:
                    raise BrokenStream(f"a frame of {head} and {body} bytes: more than any message has")
                inside = start + _LENGTHS.size
                end = inside + head + body
                if end > len(pieces):
                    break
                yield Frame(bytes(pieces[inside : inside + head]), bytes(pieces[inside + head : end]))
                start = end
        finally:
            del pieces[:start]
