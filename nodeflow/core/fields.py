"""Inputs read from hints: the parameters of a function and the fields of a row alike."""

from typing import Annotated, Any, Final

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
        row.model_rebuild()
    except UNREADABLE as error:
        raise HintError(f"the fields of {row.__name__} cannot be read: {error}") from None
    described = read_docstring(row.__doc__).entries
    for name in described:
        if name not in row.model_fields:
            raise HintError(f"{row.__name__}.{name} is described in the docstring, but there is no such field")
    return tuple(_field(row, name, described.get(name, ""), around) for name in row.model_fields)


def _field(row: type[Row], name: str, help: str, around: tuple[type[Row], ...]) -> Input:
    info = row.model_fields[name]
    hint: Any = Annotated[info.annotation, *info.metadata] if info.metadata else info.annotation
    default = NO_DEFAULT if info.is_required() else info.get_default(call_default_factory=True)
    try:
        if name in RESERVED:
            raise HintError(f'an object with the key "{name}" means something else in a document; call it otherwise')
        read = read_hint(hint)
        if read.ref:
            raise HintError("a row is a value, so its fields are no Ref; any of them may be linked")
        return read_input(name, read, default, help, (*around, row))
    except HintError as error:
        raise HintError(f"{row.__name__}.{name}: {error}") from None


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
