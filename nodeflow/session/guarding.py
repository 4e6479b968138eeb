"""Finding out, in development, that a node has changed one of its inputs, which others read as well.

Tensors count their own writes, views included; arrays, and tensors that do not count, are compared by a checksum.
Lists, dicts and dataclasses (rows among them) are walked through. Of the weights of a model only the counters are read.
"""

import sys
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from typing import Any, Final, TypeAlias, cast

from nodeflow.engine.runtime import Check

_MOST_BYTES: Final = 64 * 2**20
"""What is larger is not read as a whole before and after each call."""

_DEEPEST: Final = 50

_WRITTEN = "was written to"
_REPLACED = "was replaced"
_RESIZED = "has other items now"

Probe: TypeAlias = Callable[[], object]


@dataclass(frozen=True, slots=True)
class _Mark:
    """Something of a value that stays the same unless the value is changed."""

    place: str
    fault: str
    probe: Probe
    before: object

    def changed(self) -> bool:
        return self.probe() != self.before


def watch(values: Mapping[str, object]) -> Check:
    """Note what the inputs of a node are like; the check tells which are not so any more, and what of them."""
    marks = {name: [*_Walk().marks(value, "")] for name, value in values.items()}

    def check() -> Mapping[str, str]:
        faults = ((name, next((mark for mark in found if mark.changed()), None)) for name, found in marks.items())
        return {name: f"{mark.place.lstrip('.') or 'it'} {mark.fault}" for name, mark in faults if mark is not None}

    return check


class _Walk:
    """Goes through one value, everything in it once."""

    def __init__(self) -> None:
        self._seen: set[int] = set()

    def marks(self, value: object, place: str, level: int = 0) -> Iterator[_Mark]:
        """The marks of ``value``, those of a container before those of what it holds."""
        if id(value) in self._seen or level > _DEEPEST:
            return
        self._seen.add(id(value))
        for fault, probe in _probes(value):
            yield _Mark(place, fault, probe, probe())
        for step, inner in _inside(value):
            yield from self.marks(inner, place + step, level + 1)


def _probes(value: Any) -> Iterator[tuple[str, Probe]]:
    """What can be asked of one value again and again, and what it means when the answer is another."""
    torch, numpy = sys.modules.get("torch"), sys.modules.get("numpy")
    if torch is not None and isinstance(value, torch.nn.Module):
        yield _WRITTEN, lambda: _weights(value)
    elif torch is not None and isinstance(value, torch.Tensor):
        yield _WRITTEN, lambda: _tensor(value)
    elif numpy is not None and isinstance(value, numpy.ndarray):
        yield _WRITTEN, lambda: _array(value)
    elif isinstance(value, bytearray):
        yield _WRITTEN, lambda: zlib.crc32(value)
    elif isinstance(value, list | dict | set):
        yield _RESIZED, lambda: _members(value)
    elif _is_record(value):
        yield _REPLACED, lambda: [(name, id(inner)) for name, inner in _attributes(value)]


def _inside(value: Any) -> Iterator[tuple[str, object]]:
    if isinstance(value, list | tuple):
        for number, item in enumerate(cast("list[object]", value)):
            yield f"[{number}]", item
    elif isinstance(value, dict):
        for key, item in cast("dict[object, object]", value).items():
            yield f"[{key!r}]", item
    elif _is_record(value):
        for name, item in _attributes(value):
            yield f".{name}", item


def _is_record(value: Any) -> bool:
    return is_dataclass(value) and not isinstance(value, type)


def _attributes(value: Any) -> Iterator[tuple[str, object]]:
    """The fields of a dataclass; what starts with ``_`` is its own, such as something it works out when asked."""
    names = (field.name for field in fields(value))
    return ((name, getattr(value, name, None)) for name in names if not name.startswith("_"))


def _members(value: Any) -> object:
    """The members of a list, a set or a dict: numbers and texts by value, everything else by identity."""
    members: Iterable[object] = value.items() if hasattr(value, "items") else value
    return [_identity(member) for member in members]


def _identity(member: object) -> object:
    if isinstance(member, tuple):
        return tuple(map(_identity, cast("tuple[object, ...]", member)))
    plain = isinstance(member, str | int | float | bool | type(None))
    return (type(member).__name__, repr(member)) if plain else id(member)


def _weights(network: Any) -> object:
    """Counters and places of all weights and buffers of a network; they are too large to be read through."""
    tensors = [*network.named_parameters(), *network.named_buffers()]
    return [(name, id(tensor), *_counted(tensor)) for name, tensor in tensors]


def _counted(tensor: Any) -> tuple[object, ...]:
    """How often a tensor was written to, views included, and where it lies."""
    dense = tensor.layout is sys.modules["torch"].strided
    return None if tensor.is_inference() else tensor._version, tensor.data_ptr() if dense else None, tensor.shape


def _tensor(tensor: Any) -> object:
    """The counter; and the bytes, for writes behind the counter's back."""
    torch = sys.modules["torch"]
    if tensor.device.type != "cpu" or tensor.layout is not torch.strided:
        return _counted(tensor)
    flat = tensor.detach().resolve_conj().resolve_neg().reshape(-1)
    part = flat[:: _step(tensor.nbytes)].contiguous()
    return *_counted(tensor), zlib.crc32(part.view(torch.uint8).numpy())


def _array(array: Any) -> object:
    if array.dtype.hasobject:
        return [id(item) for item in array.flat]
    return array.shape, array.dtype.str, zlib.crc32(array.reshape(-1)[:: _step(array.nbytes)].tobytes())


def _step(nbytes: int) -> int:
    """Of something too large, only every so many elements are read."""
    return 1 + nbytes // _MOST_BYTES
