"""Inputs read from hints: the parameters of a function and the fields of a row alike."""

from dataclasses import MISSING, Field, fields
from typing import Any, Final, get_type_hints

from nodeflow.core.docstring import read_docstring
from nodeflow.core.hints import UNREADABLE, Hint, HintError, read_hint, row_class
from nodeflow.core.json import JsonValue
from nodeflow.core.plain import plain_value
from nodeflow.core.rows import Row
from nodeflow.core.spec import Input

NO_DEFAULT: Final = object()
"""Stands where an input has no default."""

RESERVED: Final = frozenset({"link", "draw", "value"})
"""The keys by which a document tells a link, a draw and a literal object from a row."""


def read_input(
    name: str, hint: Hint, default: object = NO_DEFAULT, help: str = "", around: tuple[type[Row], ...] = ()
) -> Input:
    """An input, with the fields of its rows where it has some.

    Args:
        name: Of the parameter or field.
        hint: What stands behind it.
        default: What holds when nothing is given.
        help: What the docstring says.
        around: The rows that the input is a field of, outermost first.

    Raises:
        HintError: The hint says too little, or the default does not fit it.
    """
    row = row_class(hint)
    required = default is NO_DEFAULT
    return Input(
        name=name,
        type=hint.type,
        required=required,
        default=None if required else _default(default, hint),
        range=hint.range(),
        choices=hint.choices(),
        open_choices=hint.open_choices(),
        widget=hint.widget(),
        lazy=hint.lazy or hint.ref,
        fields=() if row is None else row_fields(row, around),
        help=help,
    )


def row_fields(row: type[Row], around: tuple[type[Row], ...] = ()) -> tuple[Input, ...]:
    """The fields of a row, in order.

    Raises:
        HintError: A field cannot be one; the message names it.
    """
    if row in around:
        raise HintError(f"a {row.__name__} cannot hold rows of its own kind")
    try:
        hints = get_type_hints(row, include_extras=True)
    except UNREADABLE as error:
        raise HintError(f"the fields of {row.__name__} cannot be read: {error}") from None
    if not hints:
        raise HintError(f"{row.__name__} has no fields")
    described = read_docstring(row.__doc__).entries
    for name in described.keys() - hints.keys():
        raise HintError(f"{row.__name__}.{name} is described in the docstring, but there is no such field")
    return tuple(_field(row, item, hints[item.name], described.get(item.name, ""), around) for item in fields(row))


def _field(row: type[Row], item: "Field[Any]", hint: Any, help: str, around: tuple[type[Row], ...]) -> Input:
    try:
        if item.name in RESERVED:
            means = f'an object with the key "{item.name}" means something else in a document'
            raise HintError(f"{means}; call the field otherwise")
        read = read_hint(hint)
        if read.ref or read.lazy:
            raise HintError("a row is a value, so its fields are neither Ref nor Lazy; any of them may be linked")
        return read_input(item.name, read, _given_default(item), help, (*around, row))
    except HintError as error:
        raise HintError(f"{row.__name__}.{item.name}: {error}") from None


def _given_default(item: "Field[Any]") -> object:
    if item.default_factory is not MISSING:
        return item.default_factory()
    return NO_DEFAULT if item.default is MISSING else item.default


def _default(value: object, hint: Hint) -> JsonValue:
    try:
        plain = plain_value(value)
    except ValueError as error:
        raise HintError(f"its default {error}") from None
    choices = hint.choices()
    for item in plain if isinstance(plain, list) else [plain]:
        if choices is not None and item is not None and item not in choices:
            raise HintError(f"its default {item!r} is none of {', '.join(map(repr, choices))}")
    return float(plain) if type(plain) is int and hint.type.name == "float" else plain
