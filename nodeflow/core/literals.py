"""Literal values of inputs: read by the declared type, held against range and choices."""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from nodeflow.core.canonical import MAX_SAFE_INTEGER, number_text
from nodeflow.core.json import JsonValue
from nodeflow.core.ranges import check_range
from nodeflow.core.reading import integral
from nodeflow.core.spec import Input, Range
from nodeflow.core.suggest import kind_of, listing, nearest, shorten
from nodeflow.core.types import ANY, Type
from nodeflow.core.unfit import Unfit


def read_literal(input: Input, value: JsonValue, choices: Sequence[JsonValue] | None = None) -> JsonValue:
    """``value`` as the declared type has it: a float input gets a float, an integral float becomes an int.

    Args:
        input: The input that the value is for.
        value: The literal, already unescaped.
        choices: The values allowed, where the input is a choice; for a list, those of each item.

    Raises:
        Unfit: With the nearest value that would be accepted, where there is one.
    """
    return _checked(_read(input.type, value, input.range or _OPEN, _READERS), choices)


def read_linked(input: Input, value: JsonValue, choices: Sequence[JsonValue] | None = None) -> JsonValue:
    """``read_literal`` for what a link brings: a node may give numbers that nobody could write down.

    Raises:
        Unfit: As for literals.
    """
    return _checked(_read(input.type, value, input.range or _OPEN, _LINKED), choices)


def _checked(read: JsonValue, choices: Sequence[JsonValue] | None) -> JsonValue:
    if choices is not None and read is not None:
        _check_choices(read, choices)
    return read


def check_items(count: int, bounds: Range | None) -> None:
    """Hold the length of a list against its bounds; raises Unfit."""
    if bounds is not None:
        _check_length(count, bounds, "items")


_OPEN: Final = Range()


Readers = Mapping[str, Callable[[JsonValue, Range], JsonValue]]


def _read(type_: Type, value: JsonValue, bounds: Range, readers: Readers) -> JsonValue:
    reader = readers.get(type_.name)
    if reader is not None:
        return reader(value, bounds)
    match type_.name:
        case "list":
            return _read_list(type_.args[0], value, bounds, readers)
        case "optional":
            return None if value is None else _read(type_.args[0], value, bounds, readers)
        case "union":
            return _read_union(type_.args, value, bounds, readers)
        case name if name.startswith("$"):
            return value
        case _:
            expected = f"a link to an output of type {type_}"
            raise Unfit("literal.socket", "a value of this type cannot be written down", expected)


def _read_int(value: JsonValue, bounds: Range) -> JsonValue:
    number = _whole(value)
    floor = bounds.ge if bounds.ge is not None else bounds.gt
    # Whole numbers start at 0 unless the input says that it goes below.
    least = 0 if floor is None else -MAX_SAFE_INTEGER
    if not least <= number <= MAX_SAFE_INTEGER:
        closest = least if number < least else MAX_SAFE_INTEGER
        raise Unfit("number.range", "out of range", f"{least} … {MAX_SAFE_INTEGER}", f"nearest is {closest}")
    check_range(number, bounds, whole=True)
    return number


def _linked_int(value: JsonValue, bounds: Range) -> JsonValue:
    return int(_whole(value)) if bounds is _OPEN else _read_int(value, bounds)


def _whole(value: JsonValue) -> int | float:
    number = _number(value, "a whole number")
    if isinstance(number, float) and not number.is_integer():
        hint = f"use {math.floor(number)} or {math.ceil(number)}"
        raise Unfit("number.whole", "not a whole number", "a whole number", hint)
    return number


def _read_float(value: JsonValue, bounds: Range) -> JsonValue:
    number = _number(value, "a number")
    check_range(number, bounds, whole=False)
    return float(number)


def _linked_float(value: JsonValue, bounds: Range) -> JsonValue:
    if bounds is _OPEN and isinstance(value, float):
        return value
    return _read_float(value, bounds)


def _number(value: JsonValue, expected: str) -> int | float:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, float) and math.isfinite(value):
        return integral(value)
    if isinstance(value, float):
        raise Unfit("literal.type", f"{value} is not finite", expected)
    hint = None
    if isinstance(value, str):
        try:
            meant = integral(float(value))
            hint = f"write {number_text(meant)} without quotes"
        except ValueError:
            hint = None
    raise Unfit("literal.type", f"{kind_of(value)} instead of {expected}", expected, hint)


def _read_text(value: JsonValue, bounds: Range = _OPEN) -> JsonValue:
    if not isinstance(value, str):
        hint = None if isinstance(value, list | dict) or value is None else f'write "{shorten(value)}" in quotes'
        raise Unfit("literal.type", f"{kind_of(value)} instead of a text", "a text", hint)
    _check_length(len(value), bounds, "characters")
    if bounds.pattern is not None and re.search(bounds.pattern, value) is None:
        raise Unfit("text.pattern", "the text has not the form asked for", f"a text that matches {bounds.pattern}")
    return value


def _read_bool(value: JsonValue) -> JsonValue:
    if isinstance(value, bool):
        return value
    meant = _WORDS_OF_BOOL.get(str(value).casefold())
    hint = None if meant is None else f"write {'true' if meant else 'false'}"
    raise Unfit("literal.type", f"{kind_of(value)} instead of true or false", "true or false", hint)


_WORDS_OF_BOOL: Final[Mapping[str, bool]] = {
    "true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False
}  # fmt: skip


def _read_object(value: JsonValue) -> JsonValue:
    if not isinstance(value, dict):
        raise Unfit("literal.type", f"{kind_of(value)} instead of an object", 'an object, written {"value": {…}}')
    return value


def _read_list(item: Type, value: JsonValue, bounds: Range, readers: Readers) -> JsonValue:
    if not isinstance(value, list):
        hint = f"write [{'' if value is None else shorten(value)}]"
        raise Unfit("literal.type", f"{kind_of(value)} instead of a list", "a list", hint)
    _check_length(len(value), bounds, "items")
    return _each(value, lambda member: _read(item, member, _OPEN, readers))


def _each(values: Sequence[JsonValue], read: Callable[[JsonValue], JsonValue]) -> list[JsonValue]:
    """What ``read`` makes of each value; what it raises says which one was meant."""
    found: list[JsonValue] = []
    for value in values:
        try:
            found.append(read(value))
        except Unfit as fault:
            fault.at = (len(found), *fault.at)
            raise
    return found


def literal_type(value: JsonValue) -> Type:
    """The type that a literal gives to a type variable."""
    return _LITERAL_TYPES.get(type(value), ANY)


_LITERAL_TYPES: Final[Mapping[type, Type]] = {
    bool: Type("bool"), int: Type("int"), float: Type("float"), str: Type("str")
}  # fmt: skip


def _check_length(length: int, bounds: Range, unit: str) -> None:
    least = bounds.min_length or 0
    most = math.inf if bounds.max_length is None else bounds.max_length
    if not least <= length <= most:
        code = "text.length" if unit == "characters" else "list.length"
        expected = f"{least} … {most} {unit}" if bounds.max_length is not None else f"at least {least} {unit}"
        raise Unfit(code, f"{length} {unit}", expected)


def _read_union(members: Sequence[Type], value: JsonValue, bounds: Range, readers: Readers) -> JsonValue:
    faults: list[Unfit] = []
    for member in members:
        try:
            return _read(member, value, bounds, readers)
        except Unfit as fault:
            faults.append(fault)
    # A member that takes this kind of value, but not this one, has the most to say.
    telling = next((fault for fault in faults if fault.code not in ("literal.type", "literal.socket")), None)
    if telling is not None:
        raise telling
    expected = " or ".join(dict.fromkeys(fault.expected or "" for fault in faults))
    raise Unfit("literal.type", f"{kind_of(value)} fits none of the types", expected)


def _check_choices(value: JsonValue, choices: Sequence[JsonValue]) -> JsonValue:
    if isinstance(value, list):
        return _each(value, lambda item: _check_choices(item, choices))
    if any(value == choice and type(value) is type(choice) for choice in choices):
        return value
    names = [choice if isinstance(choice, str) else shorten(choice) for choice in choices]
    match = nearest(value if isinstance(value, str) else shorten(value), names)
    hint = None if match is None else f'did you mean "{match}"?'
    raise Unfit("literal.choice", "not one of the choices", listing(names), hint)


_READERS: Final[Readers] = {
    "int": _read_int,
    "float": _read_float,
    "str": _read_text,
    "bool": lambda value, _: _read_bool(value),
    "any": lambda value, _: value,
    "dict": lambda value, _: _read_object(value),
    "Path": _read_text,
}
"""Types whose values can be written down, and how they are read."""

_LINKED: Final[Readers] = {**_READERS, "int": _linked_int, "float": _linked_float}
"""The same for what links bring."""
