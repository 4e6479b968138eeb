"""Type hints, read as socket types and constraints."""

import types
from collections import abc
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from nodeflow.core.json import JsonValue
from nodeflow.core.node import Lazy, RefMark
from nodeflow.core.rows import Row
from nodeflow.core.spec import Range, Widget
from nodeflow.core.types import Type
from nodeflow.core.widgets import Marker, Open

ANY = Type("any")
UNREADABLE = (NameError, AttributeError, TypeError, SyntaxError)
"""What looking up hints may raise when a name in them is not known."""
_BOUNDS = ("ge", "gt", "le", "lt", "multiple_of", "min_length", "max_length", "pattern")
_REFUSED: tuple[tuple[object, str], ...] = (
    (tuple, "write list[...] for many values, or a NamedTuple for several outputs"),
    (set, "write list[...]"),
    (frozenset, "write list[...]"),
    (abc.Iterable, "write list[...]"),
    (abc.Iterator, "write list[...]"),
    (abc.Generator, "write list[...]"),
    (abc.Mapping, "write dict"),
    (types.NoneType, "None is no value; write X | None"),
)
_LISTS = (list, abc.Sequence)
"""What a list may be called; a Sequence can have a tuple as its default."""


class HintError(ValueError):
    """A hint that says nothing a socket could be."""


@dataclass(frozen=True, slots=True)
class Hint:
    """A hint taken apart: the socket type, and what ``Annotated`` says about it.

    Attributes:
        plain: The hint without ``Annotated``, ``Lazy``, ``Ref`` and ``| None``.
        metadata: What stood in ``Annotated``, innermost first, so that the later one counts.
    """

    plain: Any
    type: Type
    metadata: tuple[object, ...]
    optional: bool
    lazy: bool
    ref: bool

    def range(self) -> Range | None:
        """Bounds from pydantic's ``Field`` and from annotated-types."""
        bounds: dict[str, Any] = {}
        for item in _flat(self.metadata):
            bounds.update({name: value for name in _BOUNDS if (value := getattr(item, name, None)) is not None})
        return Range(**bounds) if bounds else None

    def widget(self) -> Widget | None:
        """The last marker that describes a widget."""
        return next((item.widget() for item in reversed(self.metadata) if isinstance(item, Marker)), None)

    def open_choices(self) -> str | None:
        """The table that lists what may be chosen."""
        return next((item.table for item in reversed(self.metadata) if isinstance(item, Open)), None)

    def choices(self) -> tuple[JsonValue, ...] | None:
        """The values of a ``Literal`` or an ``Enum``; of a list of them, those of each item."""
        return _choices(item_hint(self.plain) or self.plain)


def read_hint(hint: Any) -> Hint:
    """Take a hint apart.

    Raises:
        HintError: When it is no type of a socket.
    """
    metadata: list[object] = []
    optional = lazy = False
    while True:
        if get_origin(hint) is Annotated:
            metadata = [*hint.__metadata__, *metadata]
            hint = hint.__origin__
        elif get_origin(hint) is Lazy:
            lazy, hint = True, get_args(hint)[0]
        elif inner := _optional(hint):
            optional, hint = True, inner[0]
        else:
            break
    _check_fields(metadata)
    plain = socket_type(hint)
    ref = any(isinstance(item, RefMark) for item in metadata)
    return Hint(hint, Type("optional", (plain,)) if optional else plain, tuple(metadata), optional, lazy, ref)


def socket_type(hint: Any) -> Type:
    """The socket type of a hint; raises HintError when there is none."""
    origin = get_origin(hint)
    for kind, way_out in _REFUSED:
        if (origin or hint) is kind:
            raise HintError(f"{_shown(hint)} is no type of a socket: {way_out}")
    if hint is Any or hint is object:
        return ANY
    if isinstance(hint, TypeVar):
        return Type(f"${hint.__name__}")
    if choices := _choices(hint):
        return Type(type(choices[0]).__name__)
    if (origin or hint) in _LISTS:
        return Type("list", tuple(socket_type(_bare(item)) for item in get_args(hint)) or (ANY,))
    if origin in (Union, types.UnionType):
        return _union(get_args(hint))
    name = getattr(origin or hint, "__name__", None)
    if name is None or isinstance(hint, str):
        raise HintError(f"{_shown(hint)} is no type of a socket")
    return Type(name)


def item_hint(hint: Any) -> Any:
    """The hint of the items, where ``hint`` is a list; else None."""
    return get_args(hint)[0] if get_origin(hint) in _LISTS else None


def row_class(hint: Hint) -> type[Row] | None:
    """The class of the records, where the hint is a list of them.

    Raises:
        HintError: They are records that say nothing of being rows.
    """
    item = item_hint(hint.plain)
    if not isinstance(item, type):
        return None
    if issubclass(item, BaseModel):
        name = item.__name__
        raise HintError(f"{name} is no row: write class {name}(Row), or make it a dataclass to be linked as a value")
    return item if issubclass(item, Row) else None


def check_result(hint: Any) -> None:
    """Refuse what an input may be and a result not: the engine takes a list apart, and nothing that resembles one.

    Raises:
        HintError: Somewhere in the hint stands a Sequence.
    """
    if abc.Sequence in (hint, get_origin(hint)):
        raise HintError(f"{_shown(hint)} is no type of a result: write list[...]")
    for inner in get_args(hint):
        check_result(inner)


def _union(args: Sequence[Any]) -> Type:
    members = [item for item in args if item is not type(None)]
    kinds = tuple(dict.fromkeys(socket_type(_bare(item)) for item in members))
    union = kinds[0] if len(kinds) == 1 else Type("union", kinds)
    return Type("optional", (union,)) if len(members) < len(args) else union


def _optional(hint: Any) -> tuple[Any, ...]:
    """The one type that stands beside None, or nothing."""
    if get_origin(hint) not in (Union, types.UnionType):
        return ()
    others = tuple(item for item in get_args(hint) if item is not type(None))
    return others if len(others) == 1 else ()


def _bare(hint: Any) -> Any:
    if get_origin(hint) is Annotated:
        raise HintError(
            f"{_shown(hint)}: constraints are for a whole input, not for the inside of list[...] or a union"
        )
    return hint


def _choices(hint: Any) -> tuple[JsonValue, ...] | None:
    if get_origin(hint) is Literal:
        members: tuple[Any, ...] = get_args(hint)
    elif isinstance(hint, type) and issubclass(hint, Enum):
        members = tuple(hint)
    else:
        return None
    values: tuple[JsonValue, ...] = tuple(item.value if isinstance(item, Enum) else item for item in members)
    kinds = {type(item) for item in values}
    if len(kinds) != 1 or not kinds <= {str, int, bool, float}:
        raise HintError(f"{_shown(hint)}: the values of a choice are all texts or all numbers")
    return values


def _flat(metadata: Iterable[object]) -> Iterator[object]:
    """Metadata with what pydantic's ``Field`` keeps in its own list put beside the rest."""
    for item in metadata:
        if isinstance(item, FieldInfo):
            yield from item.metadata
        else:
            yield item


def _check_fields(metadata: Iterable[object]) -> None:
    """Refuse what a ``Field`` may say and nodeflow would pass over in silence."""
    for item in metadata:
        if not isinstance(item, FieldInfo):
            continue
        if item.default is not PydanticUndefined or item.default_factory is not None:
            raise HintError("write the default behind the parameter, not into Field(...)")
        for constraint in item.metadata:
            if all(getattr(constraint, name, None) is None for name in _BOUNDS):
                raise HintError(f"Field(...) sets {constraint!r}, which is none of {', '.join(_BOUNDS)}")


def _shown(hint: Any) -> str:
    return hint.__name__ if isinstance(hint, type) and not get_args(hint) else str(hint).replace("typing.", "")
