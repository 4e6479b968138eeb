"""Values that links bring, held against what their input declares where the types of the link do not say enough."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from enum import Enum
from numbers import Integral, Real
from typing import Final, TypeAlias, cast

from nodeflow.core.errors import InputError
from nodeflow.core.json import JsonValue
from nodeflow.core.literals import check_items, read_linked
from nodeflow.core.places import input_inside, is_row
from nodeflow.core.rows import Row
from nodeflow.core.secrets import SECRET
from nodeflow.core.spec import Input
from nodeflow.core.suggest import did_you_mean, listing, shorten
from nodeflow.core.types import Type
from nodeflow.core.unfit import Unfit

Choices: TypeAlias = Callable[[Input], Sequence[JsonValue] | None]
"""The values that an input may have, closed or open; None when it is no choice."""

_SCALARS: Final = frozenset(("int", "float", "str", "bool"))
_PLAIN: Final = (bool, int, float, str)


def is_bounded(input: Input) -> bool:
    """Whether not every value of the declared type is taken, there or in a field of its rows."""
    if _is_secret(input):
        return False
    bounded = input.range is not None or input.choices is not None or input.open_choices is not None
    return bounded or any(map(is_bounded, input.fields))


def is_scalar(type_: Type) -> bool:
    """Whether nothing but numbers, texts, true and false, and lists of them are of this type."""
    return type_.name in _SCALARS or (bool(type_.args) and all(map(is_scalar, type_.args)))


def demands(input: Input, source: Type) -> bool:
    """Whether what an output of type ``source`` gives has to be looked at before an input gets it."""
    return is_bounded(input) or (has_scalars(input) and not _is_sure(source, input.type))


def held(input: Input, value: object, label: str, choices: Choices, source: str) -> object:
    """A value as the declared type has it: a float input gets a float, an integral float becomes an int.

    Args:
        input: What it is for: an input of a node, or a place inside one.
        value: Anything that a node gave.
        label: Of the input, or of the place inside it.
        choices: Tells what an input may have.
        source: The output that gave it, for messages.

    Raises:
        InputError: The input does not take it.
    """
    if _is_secret(input):
        return value
    value = _plain(value)
    if input.fields:
        return _held_rows(input, value, label, choices, source)
    if not is_scalar(input.type) and not isinstance(value, _PLAIN):
        return value
    try:
        return read_linked(input, cast(JsonValue, value), choices(input))
    except Unfit as fault:
        for index in fault.at:
            label, value = f"{label}[{index}]", cast("list[object]", value)[index]
        raise _refusal(fault, value, label, source) from None


def _held_rows(input: Input, value: object, label: str, choices: Choices, source: str) -> object:
    single, found = is_row(input), value
    if isinstance(value, list) and not single:
        row, members = input_inside(input, (0,)), cast("list[object]", value)
        assert row is not None, "what takes a list has items"
        try:
            check_items(len(members), input.range)
        except Unfit as fault:
            raise _refusal(fault, found, label, source) from None
        return [_held_rows(row, each, f"{label}[{at}]", choices, source) for at, each in enumerate(members)]
    if isinstance(value, Row):
        given: Mapping[str, object] = vars(value)
        fields = [field for field in input.fields if field.name in given]
        read = _held_fields(fields, given, label, choices, source)
        changed = {name: each for name, each in read.items() if each is not given[name]}
        return replace(value, **changed) if changed else value
    if isinstance(value, dict) and single:
        given = cast("dict[str, object]", value)
        _check_names(input, given, label, source)
        fields = [field for field in input.fields if field.name in given]
        return {**given, **_held_fields(fields, given, label, choices, source)}
    if value is None and input.type.name == "optional":
        return None
    what = "a row" if single else "a list of rows"
    expected = f"an object with {listing([field.name for field in input.fields])}" if single else what
    raise _refusal(Unfit("literal.type", f"not {what}", expected), found, label, source)


def _held_fields(
    fields: Sequence[Input], given: Mapping[str, object], label: str, choices: Choices, source: str
) -> dict[str, object]:
    return {each.name: held(each, given[each.name], f"{label}.{each.name}", choices, source) for each in fields}


def _check_names(input: Input, given: Mapping[str, object], label: str, source: str) -> None:
    names = [field.name for field in input.fields]
    for name in given:
        if name not in names:
            hint = did_you_mean(name, names)
            raise InputError(label, _told(f'there is no field "{name}"', None, listing(names), source, hint))
    for field in input.fields:
        if field.required and field.name not in given:
            expected = f"a value of type {field.type}"
            raise InputError(f"{label}.{field.name}", _told("this field is needed", None, expected, source))


def _refusal(fault: Unfit, value: object, label: str, source: str) -> InputError:
    found = shorten(value) if value is None or isinstance(value, _PLAIN) else f"a {type(value).__name__}"
    # How a literal would be written helps nobody whose value is computed.
    hint = None if fault.code == "literal.type" else fault.hint
    return InputError(label, _told(fault.message, found, fault.expected, source, hint))


def _told(message: str, found: str | None, expected: str | None, source: str, hint: str | None = None) -> str:
    parts = (message, found and f"found {found}", expected and f"expected {expected}", f"linked from {source}")
    return "; ".join(filter(None, parts)) + (f" → {hint}" if hint else "")


def _plain(value: object) -> object:
    """A value with the numbers, texts and lists in it as JSON has them; what is none of these stays as it is."""
    match value:
        case bool() | None:
            return value
        case Enum():
            return _plain(value.value)
        case str():
            return str(value)
        case Integral():
            return int(value)
        case Real():
            return float(value)
        case list() | tuple():
            return [_plain(each) for each in cast("Sequence[object]", value)]
        case _:
            return value


def _is_secret(input: Input) -> bool:
    return input.widget is not None and input.widget.kind == SECRET


def has_scalars(input: Input) -> bool:
    """Whether a number, a text, or true or false may be taken, there or in a field of its rows."""
    if _is_secret(input):
        return False
    return any(map(has_scalars, input.fields)) or _has_scalar(input.type)


def _has_scalar(type_: Type) -> bool:
    return type_.name in _SCALARS or any(map(_has_scalar, type_.args))


def is_vague(type_: Type) -> bool:
    """Whether values of different sorts are of this type."""
    vague = type_.name in ("any", "optional", "union") or type_.name.startswith("$")
    return vague or any(map(is_vague, type_.args))


def is_strict(input: Input) -> bool:
    """Whether even a value of the declared type, or a whole number for a float, is not taken as it is."""
    return is_bounded(input) or (has_scalars(input) and "float" in str(input.type))


def _is_sure(source: Type, target: Type) -> bool:
    """Whether every value of one type is one of the other as it is."""
    if source == target:
        return True
    if source.name == "union":
        return all(_is_sure(member, target) for member in source.args)
    if target.name == "union":
        return any(_is_sure(source, member) for member in target.args)
    if target.name == "optional":
        return _is_sure(source.args[0] if source.name == "optional" else source, target.args[0])
    return source.name == target.name == "list" and _is_sure(source.args[0], target.args[0])
