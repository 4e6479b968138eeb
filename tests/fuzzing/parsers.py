"""The three parsers that read what strangers send, each with its seeds and with what it may answer.

A parser may accept an input or refuse it with its own error; anything else, and more than a second, is a finding.
"""

import json
import random
import struct
import time
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from nodeflow.core.errors import InvalidDocument
from nodeflow.core.workflow import parse_document
from nodeflow.diffusion.checkpoints.read import read_header
from nodeflow.diffusion.errors import CheckpointError
from nodeflow.session.workplace import Workplace
from nodeflow.storage.embedded import PictureDamaged, read_texts
from tests.fuzzing import mutations

SECONDS = 1.0
_ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Parser:
    """One parser.

    Attributes:
        make: An input, from a source of randomness.
        read: Reads it; raises ``refusals`` for what it does not take.
    """

    name: str
    make: Callable[[random.Random], bytes]
    read: Callable[[bytes], object]
    refusals: tuple[type[Exception], ...]


def findings(parser: Parser, seeds: Iterator[int]) -> Iterator[str]:
    """Inputs, by their seed, on which the parser does what it must not."""
    for seed in seeds:
        data = parser.make(random.Random(seed))
        started = time.process_time()
        try:
            parser.read(data)
        except parser.refusals:
            pass
        except Exception as error:
            yield f"{parser.name}, seed {seed}: {type(error).__name__}: {error}"
        if time.process_time() - started > SECONDS:
            yield f"{parser.name}, seed {seed}: took {time.process_time() - started:.1f} s"


@cache
def _documents() -> tuple[Any, ...]:
    files = [*(_ROOT / "workflows").glob("*.json"), *(_ROOT / "tests" / "documents").glob("**/*.json")]
    trees = [json.loads(file.read_bytes()) for file in sorted(files)]
    return tuple(tree for tree in trees if isinstance(tree, dict) and "nodes" in tree)


@cache
def _workplace() -> Workplace:
    return Workplace.at(mkdtemp(prefix="nodeflow-fuzz-"))


def _checked(data: bytes) -> None:
    """Parsed, and held against all nodes: what `check` and the server do with a document."""
    document = parse_document(data, keep_going=True)
    _workplace().check(document)
    document.dumps()


def _document(source: random.Random) -> bytes:
    seed = source.choice(_documents())
    if source.random() < 0.2:
        return mutations.bytes_like(source, json.dumps(seed).encode())
    return mutations.json_like(source, seed)


def _header(source: random.Random) -> bytes:
    """A small file of one to three tensors whose header was changed."""
    entries: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    place = 0
    for index in range(source.randrange(1, 4)):
        shape = [source.randrange(4) for _ in range(source.randrange(3))]
        size = 4
        for length in shape:
            size *= length
        entries[f"layer.{index}.weight"] = {"dtype": "F32", "shape": shape, "data_offsets": [place, place + size]}
        place += size
    head = mutations.json_like(source, entries) if source.random() < 0.9 else json.dumps(entries).encode()
    length = len(head) if source.random() < 0.9 else source.choice((0, 1, len(head) * 2, 2**32, 2**63, 2**64 - 1))
    file = length.to_bytes(8, "little") + head + bytes(place)
    return mutations.bytes_like(source, file) if source.random() < 0.3 else file


@cache
def _place() -> Path:
    return Path(mkdtemp(prefix="nodeflow-fuzz-")) / "file.safetensors"


def _read_header(data: bytes) -> None:
    _place().write_bytes(data)
    read_header(_place())


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(body, zlib.crc32(kind)))


def _picture(source: random.Random) -> bytes:
    """A PNG or a WebP whose texts were changed; the checksums are mostly right, so that what is inside is read."""
    text = source.choice((b"{}", b"a" * 3000, "é\0ü".encode(), b"\xff\xfe", zlib.compress(b"{}" * 100)))
    if source.random() < 0.3:
        value = source.choice((b"nodeflow:", b"", b"workflow:")) + text
        tag, place, count = source.choice((0x010F, 7)), source.choice((26, 0, 9999)), source.choice((1, 1, 0, 65_535))
        entry = struct.pack("<HHII", tag, 2, len(value), place)
        exif = b"II*\0" + struct.pack("<IH", 8, count) + entry + struct.pack("<I", 0) + value
        body = b"WEBPEXIF" + struct.pack("<I", len(exif)) + exif
        data = b"RIFF" + struct.pack("<I", len(body)) + body
    else:
        chunks = [_chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0))]
        for _ in range(source.randrange(1, 4)):
            kind = source.choice((b"tEXt", b"zTXt", b"iTXt", b"eXIf"))
            keyword = source.choice((b"nodeflow", b"nodeflow.run", b"", b"\xff" * 90))
            flags = source.choice((b"\0\0\0\0", b"\1\0\0\0", b"\1", b"", b"\0en\0x\0"))
            whole = keyword + b"\0" + (flags if kind == b"iTXt" else b"\0" if kind == b"zTXt" else b"") + text
            chunks.append(_chunk(kind, mutations.bytes_like(source, whole) if source.random() < 0.7 else whole))
        data = b"\x89PNG\r\n\x1a\n" + b"".join(chunks) + _chunk(b"IEND", b"")
    return mutations.bytes_like(source, data) if source.random() < 0.3 else data


PARSERS = (
    Parser("document", _document, _checked, (InvalidDocument,)),
    Parser("safetensors header", _header, _read_header, (CheckpointError,)),
    Parser("picture texts", _picture, read_texts, (PictureDamaged,)),
)
