"""Values that nodes return, held against what they declare and what the engine needs of them."""

import dataclasses
import types
from collections.abc import Callable, Iterable, Iterator, Mapping
from enum import Enum
from typing import Annotated, Any, Literal, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from nodeflow.core.blocked import Blocked
from nodeflow.core.raised import told
from nodeflow.core.spec import Spec
from nodeflow.core.types import Codec
from nodeflow.engine.sizes import SharesStorage
from nodeflow.testing.findings import Finding
from nodeflow.testing.fingerprints import fingerprint, raw_bytes
from nodeflow.testing.sources import Place

_LARGE = 1024
_DATA = ("Tensor", "ndarray", "NDArray", "bytes", "bytearray", "PIL", "Module")
_PLAIN = (type(None), bool, int, float, complex, str, bytes, bytearray, Enum)


def output_hints(fn: Callable[..., Any], spec: Spec) -> Mapping[str, Any]:
    """The hints of the outputs, by name."""
    result = get_type_hints(fn, include_extras=True).get("return")
    if spec.multiple:
        return get_type_hints(result, include_extras=True)
    return {output.name: result for output in spec.outputs}


def type_findings(
    spec: Spec, hints: Mapping[str, Any], outputs: Mapping[str, object], place: Place
) -> Iterator[Finding]:
    """Outputs whose value is not what the node declares."""
    for name, value in outputs.items():
        fault = _fault(value, hints.get(name, Any))
        if fault is not None:
            message = f'the output "{name}" is declared as {_shown(hints[name])}, and {fault} was returned'
            way_out = "return what is declared, or declare what is returned"
            yield Finding("result.type", spec.id, message, way_out, *place)


def _fault(value: object, hint: Any) -> str | None:
    """What a value is instead of what a hint asks for; None where it fits or nothing can be said."""
    origin, args = get_origin(hint), get_args(hint)
    if isinstance(value, Blocked) or isinstance(hint, TypeVar):
        return None
    if origin is Annotated:
        return _fault(value, args[0])
    if origin in (Union, types.UnionType):
        return None if any(_fault(value, inner) is None for inner in args) else _kind(value)
    if hint is list or origin is list:
        return _list_fault(value, args[0] if args else Any)
    if origin is Literal:
        return None if value in args else repr(value)
    return None if _is_a(value, origin or hint) else _kind(value)


def _list_fault(value: object, item: Any) -> str | None:
    if not isinstance(value, list):
        return _kind(value)
    faults = (_fault(member, item) for member in cast("list[object]", value))
    return next((f"a list with {fault} in it" for fault in faults if fault), None)


def _is_a(value: object, kind: Any) -> bool:
    """Whether a value is of a class, as sockets see it: an int is a float too, a bool is neither."""
    if kind is None:
        return value is None
    if not isinstance(kind, type) or getattr(kind, "_is_protocol", False):
        return True
    if isinstance(value, bool) and kind in (int, float):
        return False
    return isinstance(value, (int, float) if kind is float else kind)


def codec_findings(
    spec: Spec, outputs: Mapping[str, object], codec_of: Callable[[str], Codec | None], place: Place
) -> Iterator[Finding]:
    """Values that do not come back from their codec as they were."""
    for output in spec.outputs:
        codec, value = codec_of(output.type.name), outputs[output.name]
        if codec is None or isinstance(value, Blocked):
            continue
        try:
            same = fingerprint(codec.decode(codec.encode(value))) == fingerprint(value)
        except Exception as error:  # noqa: BLE001 - a codec is the pack's code and may raise anything
            message = f"the codec of {output.type} raised {told(error)}"
        else:
            message = "" if same else f"decode(encode(value)) of {output.type} is not the value"
        if message:
            yield Finding("value.codec", spec.id, message, "let encode write, and decode read, every field", *place)


def size_findings(spec: Spec, outputs: Mapping[str, object], place: Place) -> Iterator[Finding]:
    """Values that hold much and do not say how much, so that the memory cache cannot bound them."""
    kinds = {type(leaf) for value in outputs.values() for leaf in _leaves(value) if _is_unsized(leaf)}
    for kind in sorted(kinds, key=lambda kind: kind.__name__):
        yield _unsized(spec, kind, place)


def declared_size_findings(spec: Spec, hints: Mapping[str, Any], place: Place) -> Iterator[Finding]:
    """The same by the fields that a class declares, for nodes that could not be run."""
    for hint in hints.values():
        for kind in _classes(hint):
            fields = getattr(kind, "__annotations__", {})
            holds = any(word in str(field) for field in fields.values() for word in _DATA)
            if holds and not hasattr(kind, "nbytes") and not hasattr(kind, "storages"):
                yield _unsized(spec, kind, place)


def _unsized(spec: Spec, kind: type, place: Place) -> Finding:
    message = f"{kind.__name__} holds data and has no nbytes, so that memory for results cannot be bounded"
    way_out = f"add a property `nbytes` to {kind.__name__} that gives the bytes it holds"
    return Finding("value.nbytes", spec.id, message, way_out, *place)


def _leaves(value: object) -> Iterator[object]:
    """What containers hold, as the engine counts it."""
    if isinstance(value, dict):
        for member in cast("dict[object, object]", value).values():
            yield from _leaves(member)
    elif isinstance(value, list | tuple):
        for member in cast("list[object]", value):
            yield from _leaves(member)
    else:
        yield value


def _is_unsized(value: object) -> bool:
    if isinstance(value, _PLAIN) or isinstance(getattr(value, "nbytes", None), int):
        return False
    return not isinstance(value, SharesStorage) and _holds_data(value, set())


def _holds_data(value: object, seen: set[int]) -> bool:
    if id(value) in seen:
        return False
    seen.add(id(value))
    raw = raw_bytes(value)
    if raw is not None:
        return not isinstance(value, bytes | bytearray) or len(value) >= _LARGE
    return any(_holds_data(inner, seen) for inner in _members(value))


def _members(value: object) -> Iterable[object]:
    """What an object is made of."""
    if isinstance(value, (*_PLAIN, type)):
        return ()
    if isinstance(value, dict | list | tuple):
        return _leaves(cast("object", value))
    if dataclasses.is_dataclass(value):
        return [getattr(value, item.name) for item in dataclasses.fields(value)]
    return cast("Mapping[str, object]", getattr(value, "__dict__", {})).values()


def _classes(hint: Any) -> Iterator[type]:
    origin = get_origin(hint)
    if origin is None and isinstance(hint, type):
        yield hint
    for inner in get_args(hint):
        yield from _classes(inner)


def _kind(value: object) -> str:
    return "None" if value is None else type(value).__name__


def _shown(hint: Any) -> str:
    return hint.__name__ if isinstance(hint, type) and not get_args(hint) else str(hint).replace("typing.", "")
