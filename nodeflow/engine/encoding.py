"""Outputs of a node as bytes and back: numbers and texts as JSON, everything else by the codec of its socket type."""

from collections.abc import Callable, Sequence
from typing import TypeAlias, cast

from nodeflow.core.blocked import Blocked
from nodeflow.core.json import JsonValue
from nodeflow.core.stored import Stored
from nodeflow.core.types import Codec, Encoded
from nodeflow.engine.cache import Entry

Codecs: TypeAlias = Callable[[str], Codec | None]

_FORMAT = 1
_PLAIN = (int, float, str, bool, type(None))
_DEEPEST = 50


class NotStorable(Exception):
    """A value has no codec, so it stays in memory."""


def encode_entry(entry: Entry, codecs: Codecs) -> Stored:
    """The result of a node as it goes to the disk.

    Raises:
        NotStorable: One of its values has no codec.
    """
    blobs: list[bytes | memoryview] = []
    header: JsonValue = {
        "format": _FORMAT,
        "outputs": [_encode(value, codecs, blobs, 0) for value in entry.outputs],
        "shown": [_encode(value, codecs, blobs, 0) for value in entry.shown],
        "warnings": list(entry.warnings),
    }
    return Stored(entry.label, entry.seconds, entry.total, Encoded(header, blobs))


def decode_entry(stored: Stored, codecs: Codecs) -> Entry:
    """The result of a node as it came from the disk.

    Raises:
        ValueError: The content is not what ``encode_entry`` wrote, or a codec refuses it.
    """
    header = stored.content.header
    if not isinstance(header, dict) or header.get("format") != _FORMAT:
        raise ValueError("not a result of this version")
    reader = _Reader(stored.content.blobs, codecs)
    outputs = tuple(map(reader.decode, _list(header.get("outputs"))))
    shown = tuple(map(reader.decode, _list(header.get("shown"))))
    warnings = tuple(str(text) for text in _list(header.get("warnings")))
    entry = Entry(outputs, stored.seconds, stored.total, stored.type, warnings, shown)
    entry.cost = 0.0
    return entry


def _encode(value: object, codecs: Codecs, blobs: list[bytes | memoryview], level: int) -> JsonValue:
    kind = type(value)
    if kind in _PLAIN:
        return {"plain": cast("int | float | str | bool | None", value)}
    if isinstance(value, Blocked):
        return {"blocked": value.reason}
    if level > _DEEPEST:
        raise NotStorable("lists nested too deeply")
    if kind is list:
        return {"list": [_encode(item, codecs, blobs, level + 1) for item in cast("list[object]", value)]}
    codec = codecs(kind.__name__)
    if codec is None:
        raise NotStorable(kind.__name__)
    encoded = codec.encode(value)
    blobs.extend(encoded.blobs)
    return {"type": kind.__name__, "header": encoded.header, "blobs": len(encoded.blobs)}


class _Reader:
    """Decodes values in the order in which they were encoded, taking blobs as it goes."""

    def __init__(self, blobs: Sequence[bytes | memoryview], codecs: Codecs) -> None:
        self._blobs = blobs
        self._codecs = codecs
        self._at = 0

    def decode(self, tree: JsonValue) -> object:
        match tree:
            case {"plain": value}:
                return value
            case {"blocked": str(reason)}:
                return Blocked(reason)
            case {"list": list(items)}:
                return [self.decode(item) for item in items]
            case {"type": str(name), "header": header, "blobs": int(count)}:
                return self._by_codec(name, header, count)
            case _:
                raise ValueError("not an encoded value")

    def _by_codec(self, name: str, header: JsonValue, count: int) -> object:
        codec = self._codecs(name)
        if codec is None:
            raise ValueError(f"no codec for {name}")
        blobs = self._blobs[self._at : self._at + count]
        self._at += count
        return codec.decode(Encoded(header, blobs))


def _list(value: JsonValue | None) -> list[JsonValue]:
    if not isinstance(value, list):
        raise ValueError("not a result of this version")
    return value
