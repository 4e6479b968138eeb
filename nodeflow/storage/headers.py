"""What the header of a safetensors file tells, read without its weights."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

MAX_HEADER = 100 * 2**20
"""Bytes a header may take; the format's own limit."""


class HeaderFault(ValueError):
    """The file is no safetensors file, or is cut off."""


@dataclass(frozen=True, slots=True)
class Header:
    """A summary of a model file.

    Attributes:
        tensors: How many there are.
        parameters: Numbers in all of them together.
        dtypes: Numbers by their type, such as ``F16``.
        metadata: Texts that the maker of the file put in.
    """

    tensors: int
    parameters: int
    dtypes: Mapping[str, int]
    metadata: Mapping[str, str]


def read_header(path: Path) -> Header:
    """Reads the header alone.

    Raises:
        HeaderFault: It is no safetensors file, or the file is shorter than the header says.
        OSError: It cannot be read.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if size < 8 or not 2 <= length <= min(MAX_HEADER, size - 8):
            raise HeaderFault("no safetensors file, or cut off")
        text = file.read(length)
    try:
        table = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise HeaderFault("its header is not JSON") from error
    if not isinstance(table, dict):
        raise HeaderFault("its header is not a table of tensors")
    return _summary(cast("dict[str, object]", table), size - 8 - length)


def _summary(table: dict[str, object], room: int) -> Header:
    metadata = table.pop("__metadata__", {})
    dtypes: dict[str, int] = {}
    try:
        entries = [cast("dict[str, object]", entry) for entry in table.values()]
        for entry in entries:
            count = math.prod(cast("list[int]", entry["shape"]))
            dtypes[str(entry["dtype"])] = dtypes.get(str(entry["dtype"]), 0) + count
        end = max((cast("list[int]", entry["data_offsets"])[1] for entry in entries), default=0)
    except (KeyError, TypeError, IndexError) as error:
        raise HeaderFault("its header does not describe tensors") from error
    if end > room:
        raise HeaderFault(f"cut off: {end - room} bytes are missing")
    texts = cast("dict[object, object]", metadata) if isinstance(metadata, dict) else {}
    return Header(len(entries), sum(dtypes.values()), dtypes, {str(k): str(v) for k, v in texts.items()})
