"""Keys of results: sha256 over a typed record of everything that determines them.

The record of a node is bytes with one reading only: a header line, one line of canonical JSON for the type with its
code and environment, one for the literals, then tagged entries for list depth, files and links. A link contributes
the producer's key, never its value, so one linear pass over the graph suffices. Node ids, positions and titles are
nowhere in it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import sha256

from nodeflow.core.canonical import record_bytes
from nodeflow.core.spec import Spec

KEY_BYTES = 32

_HEADER = b"nodeflow.key.1\n"
_DEPTH = b"d"
_FILE = b"f"
_LINK = b"l"


def head(spec: Spec, code: str, environment: str) -> bytes:
    """What all nodes of one type have in common in one run."""
    return _HEADER + record_bytes([spec.id, spec.version, code, environment]) + b"\n"


def link_tag(input: str, output: str) -> bytes:
    """The fixed part of a link entry; the producer's key follows."""
    return _LINK + f"{input}\n{output}\n".encode()


def file_entry(input: str, fingerprint: str) -> bytes:
    """The entry for a file that an input names."""
    return _FILE + input.encode() + b"\n" + record_bytes(fingerprint) + b"\n"


def depth_entry(depth: int) -> bytes:
    """The entry for a node that is called once per item of its lists."""
    return _DEPTH + f"{depth}\n".encode()


def digest(*parts: bytes) -> bytes:
    """The key of a record given in parts."""
    return sha256(b"".join(parts)).digest()


def next_choice(state: bytes, input: str, key: bytes, output: str) -> bytes:
    """The state of a lazy node after it was given one awaited input."""
    return digest(b"nodeflow.needs.1\n", state, link_tag(input, output), key)


def settled(state: bytes) -> bytes:
    """The key of a lazy node that needed nothing more than what led to ``state``."""
    return digest(b"nodeflow.settled.1\n", state)


def constant(value: bytes) -> bytes:
    """The key of a value that an expander handed out as it is; ``value`` is its canonical JSON."""
    return digest(b"nodeflow.constant.1\n", value)


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """A record taken apart again, to tell two of them apart.

    Attributes:
        type: Canonical JSON of type id, version, code digest and environment.
        literals: Canonical JSON of the literal inputs.
        links: Input name to output name and key of the producer.
    """

    type: bytes
    literals: bytes
    depth: int = 0
    files: Mapping[str, bytes] = field(default_factory=dict[str, bytes])
    links: Mapping[str, tuple[str, bytes]] = field(default_factory=dict[str, tuple[str, bytes]])


def read_record(data: bytes) -> KeyRecord:
    """Take a record apart.

    Raises:
        ValueError: Not a record of this version.
    """
    if not data.startswith(_HEADER):
        raise ValueError("not a key record")
    lines = _Lines(data, len(_HEADER))
    type, literals = lines.line(), lines.line()
    depth = 0
    files: dict[str, bytes] = {}
    links: dict[str, tuple[str, bytes]] = {}
    for tag in lines.tags():
        match tag:
            case b"d":
                depth = int(lines.line())
            case b"f":
                name = lines.line().decode()
                files[name] = lines.line()
            case b"l":
                name, output = lines.line().decode(), lines.line().decode()
                links[name] = (output, lines.take(KEY_BYTES))
            case _:
                raise ValueError("not a key record")
    return KeyRecord(type, literals, depth, files, links)


class _Lines:
    """A cursor over a record."""

    def __init__(self, data: bytes, at: int) -> None:
        self._data = data
        self._at = at

    def tags(self) -> Iterator[bytes]:
        while self._at < len(self._data):
            yield self.take(1)

    def line(self) -> bytes:
        end = self._data.index(b"\n", self._at)
        found = self._data[self._at : end]
        self._at = end + 1
        return found

    def take(self, count: int) -> bytes:
        found = self._data[self._at : self._at + count]
        if len(found) < count:
            raise ValueError("a key record ends too early")
        self._at += count
        return found
