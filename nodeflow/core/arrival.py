"""Values on their way into a node: texts become paths and members of enums, objects become rows."""

import functools
from collections.abc import Callable, Mapping
from enum import Enum
from pathlib import PurePath
from typing import Any, cast, get_type_hints

from nodeflow.core.hints import UNREADABLE, HintError, item_hint, read_hint
from nodeflow.core.links import Link
from nodeflow.core.rows import Row

Convert = Callable[[Any], Any]


def arriving(fn: Callable[..., Any]) -> Callable[..., Any]:
    """``fn`` for callers that hold plain values; ``fn`` itself when nothing has to be converted."""
    conversions = _conversions(fn)
    if not conversions:
        return fn

    @functools.wraps(fn)
    def call(*args: Any, **inputs: Any) -> Any:
        for name in conversions.keys() & inputs.keys():
            inputs[name] = conversions[name](inputs[name])
        return fn(*args, **inputs)

    return call


def _conversions(annotated: Any) -> Mapping[str, Convert]:
    """What the parameters of a function, or the fields of a row, make of plain values, where they do."""
    try:
        hints = get_type_hints(annotated, include_extras=True)
    except UNREADABLE:  # code made at run time may have hints that nobody can read
        return {}
    found = {name: _conversion(hint) for name, hint in hints.items() if name != "return"}
    return {name: _unless_special(convert) for name, convert in found.items() if convert is not None}


def _unless_special(convert: Convert) -> Convert:
    """``convert`` for everything but None, and links that an expander gets in the place of values."""
    return lambda value: value if value is None or isinstance(value, Link) else convert(value)


def _conversion(hint: Any) -> Convert | None:
    try:
        read = read_hint(hint)
    except HintError:
        return None
    return None if read.lazy or (read.ref and not _is_rows(read.plain)) else _convert(read.plain)


def _convert(hint: Any) -> Convert | None:
    if isinstance(hint, type) and issubclass(hint, Enum | PurePath):
        return cast(Convert, hint)
    if isinstance(hint, type) and issubclass(hint, Row):
        return _row(hint)
    inner = _convert(item_hint(hint)) if item_hint(hint) else None
    if inner is None:
        return None
    each = _unless_special(inner)
    return lambda values: [each(value) for value in values]


def _row(row: type[Row]) -> Convert:
    """What makes a row of an object; a row that a node made is one already."""
    conversions = _conversions(row)

    def make(value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        known = cast("dict[str, Any]", value)
        return row(**{name: conversions[name](part) if name in conversions else part for name, part in known.items()})

    return make


def _is_rows(hint: Any) -> bool:
    item = item_hint(hint)
    return isinstance(item, type) and issubclass(item, Row)
