"""Values on their way into a node: texts become paths and members of enums, objects become rows."""

import functools
from collections.abc import Callable, Mapping
from enum import Enum
from pathlib import PurePath
from typing import Any, cast, get_type_hints

from pydantic import TypeAdapter, ValidationError

from nodeflow.core.errors import InputError
from nodeflow.core.hints import UNREADABLE, HintError, item_hint, read_hint, row_class

Convert = Callable[[Any], Any]


def arriving(fn: Callable[..., Any]) -> Callable[..., Any]:
    """``fn`` for callers that hold plain values; ``fn`` itself when nothing has to be converted."""
    conversions = _conversions(fn)
    if not conversions:
        return fn

    @functools.wraps(fn)
    def call(*args: Any, **inputs: Any) -> Any:
        for name in conversions.keys() & inputs.keys():
            if inputs[name] is not None:
                inputs[name] = _converted(name, conversions[name], inputs[name])
        return fn(*args, **inputs)

    return call


def _converted(name: str, convert: Convert, value: Any) -> Any:
    try:
        return convert(value)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        steps = (f"[{step}]" if isinstance(step, int) else f".{step}" for step in first["loc"])
        raise InputError(name + "".join(steps), first["msg"]) from None


def _conversions(fn: Callable[..., Any]) -> Mapping[str, Convert]:
    try:
        hints = get_type_hints(fn, include_extras=True)
    except UNREADABLE:  # code made at run time may have hints that nobody can read
        return {}
    found = {name: _conversion(hint) for name, hint in hints.items() if name != "return"}
    return {name: convert for name, convert in found.items() if convert is not None}


def _conversion(hint: Any) -> Convert | None:
    try:
        read = read_hint(hint)
        if read.lazy or read.ref:
            return None
        rows = row_class(read) is not None
    except HintError:
        return None
    return TypeAdapter[Any](read.plain).validate_python if rows else _from_text(read.plain)


def _from_text(hint: Any) -> Convert | None:
    """What makes a path or a member of an enum of a text, also inside a list."""
    if isinstance(hint, type) and issubclass(hint, Enum | PurePath):
        return cast(Convert, hint)
    inner = _from_text(item_hint(hint)) if item_hint(hint) else None
    if inner is None:
        return None
    return lambda values: [inner(value) for value in values]
