"""Reading safetensors files: the header first, checked completely before anything is allocated.

Format: https://github.com/huggingface/safetensors#format: eight bytes with the length of the header, a JSON header,
then the tensors one after the other without holes.
"""

import json
import math
import os
from collections.abc import Generator, Iterable, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from nodeflow.diffusion.errors import CheckpointError

if TYPE_CHECKING:
    import torch

MAX_HEADER = 32 * 2**20
"""Bytes of the largest header that is read; the largest models in use stay below one MiB."""

_ITEM_BYTES = {
    **dict.fromkeys(("F64", "I64", "U64"), 8),
    **dict.fromkeys(("F32", "I32", "U32"), 4),
    **dict.fromkeys(("F16", "BF16", "I16", "U16"), 2),
    **dict.fromkeys(("I8", "U8", "BOOL", "F8_E4M3", "F8_E5M2"), 1),
}
_PICKLES = (".ckpt", ".pt", ".pth", ".bin", ".pkl")
AGAIN = "download it again"
_CONVERT = (
    "such files can run any program when they are opened, so they are refused; take the .safetensors version of the "
    "model, or make one of it: nodeflow convert FILE"
)
# First bytes of what people take for a checkpoint, and what to tell them.
_IMPOSTORS = (
    (b"PK\x03\x04", f"it is a pickled torch file: {_CONVERT}"),
    (b"\x80\x02", f"it is a pickled torch file: {_CONVERT}"),
    (b"GGUF", "it is a GGUF file, a format that is not supported; take the .safetensors version of the model"),
    (b"<", "it is a web page: the download went wrong; download the file again"),
    (b"version https://git-lfs", "it is a Git LFS pointer, not the model; fetch the file itself (git lfs pull)"),
)


@dataclass(frozen=True, slots=True)
class TensorInfo:
    """What the header says about one tensor."""

    dtype: str
    shape: tuple[int, ...]

    @property
    def numel(self) -> int:
        """How many numbers it holds."""
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        """What it takes in the file."""
        return self.numel * _ITEM_BYTES[self.dtype]


@dataclass(frozen=True, slots=True)
class Header:
    """A checked header: every tensor lies within the file, and none overlaps another.

    Attributes:
        state: Size, time of change and number of the file, by which another one in its place is noticed.
    """

    path: Path
    tensors: Mapping[str, TensorInfo]
    metadata: Mapping[str, str]
    state: tuple[int, ...] = ()

    def error(self, reason: str) -> CheckpointError:
        """An error about this file."""
        return CheckpointError(f"{self.path.name}: {reason}")


def read_header(path: Path | str) -> Header:
    """Reads and checks the header of a safetensors file; torch is not needed for it.

    Raises:
        CheckpointError: The file is of a refused kind, truncated or damaged.
        OSError: It cannot be read; FileNotFoundError when it is not there.
    """
    file = Path(path)
    with file.open("rb") as stream:
        state = _state(os.fstat(stream.fileno()))
        data = _header_bytes(file, stream, state[0])
    entries = _parse(file, data)
    metadata = _metadata(file, entries.pop("__metadata__", {}))
    tensors = _checked(file, entries, state[0] - 8 - len(data))
    return Header(file, tensors, metadata, state)


def _state(stat: os.stat_result) -> tuple[int, ...]:
    return stat.st_size, stat.st_mtime_ns, stat.st_ino


def read_tensors(header: Header, names: Iterable[str]) -> "Iterable[tuple[str, torch.Tensor]]":
    """Gives tensors of a file one by one, each a private view of the memory-mapped file (nothing is copied).

    Raises:
        CheckpointError: The file changed since its header was read.
        OSError: It cannot be read.
    """
    with opened(header) as file:
        for name in names:
            yield name, file.get_tensor(name)


@contextmanager
def opened(header: Header) -> Generator[Any]:
    """The file for safetensors' own reader, with `get_tensor(name)`.

    Raises:
        CheckpointError: The file changed since its header was read.
        OSError: It cannot be read.
    """
    from safetensors import SafetensorError, safe_open

    changed = "the file has changed since it was loaded; load it again"
    try:
        state = _state(header.path.stat())
    except FileNotFoundError as error:
        raise header.error("the file is gone since it was loaded") from error
    if header.state and state != header.state:
        raise header.error(changed)
    try:
        reader: Any = safe_open(header.path, framework="pt", device="cpu")
        with reader as file:
            yield file
    except SafetensorError as error:
        raise header.error(f"{changed} ({error})") from error


def fault_of_json(error: ValueError | RecursionError) -> str:
    """Why JSON cannot be read, without what Python's messages say of Python."""
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    if isinstance(error, UnicodeDecodeError):
        return "it is no text in UTF-8"
    return str(error).partition(";")[0]


def _header_bytes(file: Path, stream: BinaryIO, size: int) -> bytes:
    start = stream.read(32)
    if file.suffix.lower() in _PICKLES:
        raise CheckpointError(f"{file.name}: {file.suffix} files are pickled torch files: {_CONVERT}")
    for magic, reason in _IMPOSTORS:
        # A length of at most 2^32 has zeros in bytes 4 to 7: a real header that begins like an impostor is no impostor.
        if start.startswith(magic) and start[4:8] != b"\0\0\0\0":
            raise CheckpointError(f"{file.name}: {reason}")
    if len(start) < 8:
        raise CheckpointError(f"{file.name}: the file is truncated: {size} bytes are no safetensors file")
    length = int.from_bytes(start[:8], "little")
    if length > MAX_HEADER:
        raise CheckpointError(
            f"{file.name}: not a safetensors file, or damaged: the header would take {length:,} bytes, "
            f"more than the {MAX_HEADER:,} allowed"
        )
    if length > size - 8:
        raise CheckpointError(
            f"{file.name}: the file is truncated: the header takes {length:,} bytes, the file has {size:,}; {AGAIN}"
        )
    stream.seek(8)
    return stream.read(length)


def _metadata(file: Path, entry: object) -> dict[str, str]:
    if isinstance(entry, dict):
        table = cast("dict[str, object]", entry)
        texts = {name: text for name, text in table.items() if isinstance(text, str)}
        if len(texts) == len(table):
            return texts
    raise CheckpointError(f"{file.name}: damaged header: the metadata are not texts by name; {AGAIN}")


def _parse(file: Path, data: bytes) -> dict[str, Any]:
    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) != len(pairs):
            raise ValueError("a name occurs twice")
        return found

    try:
        entries: object = json.loads(data, object_pairs_hook=unique)
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{file.name}: damaged header: {fault_of_json(error)}; {AGAIN}") from error
    if not isinstance(entries, dict):
        raise CheckpointError(f"{file.name}: damaged header: not a table of tensors; {AGAIN}")
    return cast("dict[str, Any]", entries)


def _checked(file: Path, entries: dict[str, Any], available: int) -> dict[str, TensorInfo]:
    spans: list[tuple[int, int, str]] = []
    tensors: dict[str, TensorInfo] = {}
    for name, entry in entries.items():
        begin, end, info = _entry(file, name, entry)
        spans.append((begin, end, name))
        tensors[name] = info
    position = 0
    for begin, end, name in sorted(spans):
        if begin != position:
            raise CheckpointError(
                f"{file.name}: damaged header: {name} begins at byte {begin}, not at {position}; {AGAIN}"
            )
        position = end
    if position > available:
        raise CheckpointError(
            f"{file.name}: the file is truncated: its tensors take {position:,} bytes, {available:,} are there; {AGAIN}"
        )
    if position < available:
        raise CheckpointError(f"{file.name}: damaged: {available - position:,} bytes belong to no tensor; {AGAIN}")
    if not tensors:
        raise CheckpointError(f"{file.name}: there is no tensor in the file")
    return tensors


def _entry(file: Path, name: str, entry: Any) -> tuple[int, int, TensorInfo]:
    table = cast("dict[str, object]", entry) if isinstance(entry, dict) else {}
    dtype, shape, span = table.get("dtype"), _naturals(table.get("shape")), _naturals(table.get("data_offsets"))
    if not isinstance(dtype, str) or shape is None or span is None or len(span) != 2:
        raise CheckpointError(
            f"{file.name}: damaged header: {name} lacks a sound dtype, shape or data_offsets; {AGAIN}"
        )
    begin, end = span
    if dtype not in _ITEM_BYTES:
        raise CheckpointError(f"{file.name}: {name} is of type {dtype}, which is not supported")
    info = TensorInfo(dtype, shape)
    if end - begin != info.numel * _ITEM_BYTES[dtype]:
        raise CheckpointError(
            f"{file.name}: damaged header: {name} of shape {list(shape)} and type {dtype} takes "
            f"{info.numel * _ITEM_BYTES[dtype]} bytes, not {end - begin}; {AGAIN}"
        )
    return begin, end, info


def _naturals(value: object) -> tuple[int, ...] | None:
    """The numbers of a JSON list of integers that are not negative, else None."""
    if not isinstance(value, list):
        return None
    numbers = [number for number in cast("list[object]", value) if type(number) is int and number >= 0]
    return tuple(numbers) if len(numbers) == len(cast("list[object]", value)) else None
