"""Values on their way into a node: texts become paths and members of enums where the function asks for them."""

import functools
from collections.abc import Callable, Mapping
from enum import Enum
from pathlib import PurePath
from typing import Any, cast, get_args, get_type_hints

from pydantic import BaseModel, TypeAdapter

from nodeflow.core.hints import UNREADABLE, HintError, read_hint

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
                inputs[name] = conversions[name](inputs[name])
        return fn(*args, **inputs)

    return call


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
    except HintError:
        return None
    if read.lazy or read.ref:
        return None
    plain: Any = read.plain
    if _is_subclass(plain, Enum, PurePath):
        return cast(Convert, plain)
    parts: tuple[Any, ...] = (plain, *get_args(plain))
    rows = any(_is_subclass(item, BaseModel) for item in parts)
    return TypeAdapter[Any](plain).validate_python if rows else None


def _is_subclass(hint: object, *classes: type) -> bool:
    return isinstance(hint, type) and issubclass(hint, classes)
