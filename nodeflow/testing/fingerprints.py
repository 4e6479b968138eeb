"""Values reduced to what can be compared: two that are equal in every byte have one fingerprint."""

import dataclasses
import sys
from collections.abc import Iterable, Iterator, Mapping
from hashlib import sha256
from pathlib import PurePath
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import Any, cast

from pydantic import BaseModel


def fingerprint(value: object) -> str:
    """A digest of all that ``value`` holds, as far as its attributes tell.

    Tensors, arrays and pictures count with type, shape and bytes. A network counts with all that torch keeps in it and
    with its public attributes; private ones are what it remembers of its calls. What says nothing about itself, such as
    a function or a lock, counts by its type and name alone.
    """
    digest = sha256()
    for part in _parts(value, {}):
        digest.update(len(part).to_bytes(8, "little"))
        digest.update(part)
    return digest.hexdigest()


def _parts(value: object, seen: dict[int, int]) -> Iterator[bytes]:
    kind = type(value)
    yield f"{kind.__module__}.{kind.__qualname__}".encode()
    if value is None or isinstance(value, bool | int | float | complex | str | PurePath):
        yield repr(value).encode("utf-8", "backslashreplace")
        return
    raw = raw_bytes(value)
    if raw is not None:
        yield from raw
        return
    if id(value) in seen:
        yield str(seen[id(value)]).encode()
        return
    seen[id(value)] = len(seen)
    for inner in _inside(value):
        yield from _parts(inner, seen)


def raw_bytes(value: Any) -> tuple[bytes, ...] | None:
    """Shape and bytes of a tensor, an array, a picture or a byte string; None for everything else."""
    if is_tensor(value):
        dense = value.detach().to_dense() if value.is_sparse else value.detach()
        flat = dense.cpu().contiguous().reshape(-1)
        data = flat.view(sys.modules["torch"].uint8).numpy().tobytes() if flat.numel() else b""
        return (f"{dense.dtype} {tuple(dense.shape)}".encode(), data)
    if is_array(value):
        return None if value.dtype.hasobject else (f"{value.dtype} {value.shape}".encode(), value.tobytes())
    if is_picture(value):
        return (f"{value.mode} {value.size}".encode(), value.tobytes())
    return (bytes(value),) if isinstance(value, bytes | bytearray) else None


def is_tensor(value: object) -> bool:
    """Whether it is torch's; torch is not imported to find out."""
    return _is_of(value, "torch", "Tensor")


def is_array(value: object) -> bool:
    """Whether it is numpy's; numpy is not imported to find out."""
    return _is_of(value, "numpy", "ndarray")


def is_picture(value: object) -> bool:
    """Whether it is Pillow's; Pillow is not imported to find out."""
    return _is_of(value, "PIL.Image", "Image")


def _is_network(value: object) -> bool:
    return _is_of(value, "torch.nn", "Module")


def _is_of(value: object, module: str, name: str) -> bool:
    loaded = sys.modules.get(module)
    return loaded is not None and isinstance(value, getattr(loaded, name))


def _inside(value: object) -> Iterable[object]:
    """What a value is made of, in an order that does not depend on the process."""
    match value:
        case dict():
            return [part for item in cast("dict[object, object]", value).items() for part in item]
        case list() | tuple():
            return cast("list[object]", value)
        case set() | frozenset():
            return sorted(map(fingerprint, cast("set[object]", value)))
        case BaseModel():
            return [part for item in value for part in item]
        case type() | FunctionType() | BuiltinFunctionType() | ModuleType():
            return [getattr(value, "__qualname__", getattr(value, "__name__", ""))]
        case _ if dataclasses.is_dataclass(value) and not isinstance(value, type):
            return [getattr(value, item.name) for item in dataclasses.fields(value)]
        case _:
            return _attributes(value)


def _attributes(value: object) -> Iterable[object]:
    tolist = getattr(value, "tolist", None)
    if tolist is not None and not hasattr(value, "__dict__"):  # numpy's scalars and arrays of objects
        return [tolist()]
    state: dict[str, object] = dict(cast("Mapping[str, object]", getattr(value, "__dict__", {})))
    for kind in type(value).__mro__:
        slots = cast("str | Iterable[str]", vars(kind).get("__slots__", ()))
        names = (slots,) if isinstance(slots, str) else slots
        state.update({name: getattr(value, name) for name in names if hasattr(value, name) and name[:2] != "__"})
    if _is_network(value):
        own = cast("Mapping[str, object]", vars(sys.modules["torch.nn"].Module()))
        state = {name: held for name, held in state.items() if name in own or not name.startswith("_")}
    return [part for item in state.items() for part in item]
