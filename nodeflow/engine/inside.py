"""What is inside lists and rows: values of links put where they belong, names of files and the like replaced."""

from collections.abc import Callable, Collection, Mapping
from copy import copy
from typing import Any, TypeAlias, cast

from nodeflow.core.node import Later
from nodeflow.core.spec import Input

Path: TypeAlias = tuple[str | int, ...]
Nested: TypeAlias = Mapping[str, tuple[str, Path]]
"""Label of a link inside a literal to the input and the keys and positions within its value."""

Leaf: TypeAlias = Callable[[Input, str, str], object]
"""Makes something else of a text: takes the input or row field, the label of the place, and the text."""


def put_inside(arguments: Mapping[str, object], nested: Nested) -> dict[str, object]:
    """``arguments`` with the values under labels put into the lists and rows they belong to.

    Only the containers on the way are copied, each once; what ``arguments`` holds is left as it is.
    """
    whole: dict[str, Any] = dict(arguments)
    late = {name for name, _ in nested.values() if isinstance(whole.get(name), Later)}
    for name in late:
        whole[name] = whole[name].value
    copies: set[int] = set()
    for label, (name, path) in nested.items():
        if label not in whole:
            continue
        value = whole.pop(label)
        holder, step = cast(Any, whole), cast("str | int", name)
        for deeper in path:
            inner = holder[step]
            if id(inner) not in copies:
                inner = holder[step] = copy(inner)
                copies.add(id(inner))
            holder, step = inner, deeper
        holder[step] = value
    for name in late:
        whole[name] = Later(whole[name])
    return whole


def at_texts(item: Input, value: object, label: str, kinds: Collection[str], leaf: Leaf) -> Any:
    """``value`` with every text replaced whose input or row field has a widget of one of ``kinds``."""
    match value:
        case list():
            members = cast("list[object]", value)
            return [at_texts(item, part, f"{label}[{place}]", kinds, leaf) for place, part in enumerate(members)]
        case dict() if item.fields:
            row = cast("dict[str, object]", value)
            fields = (field for field in item.fields if field.name in row)
            inside = {f.name: at_texts(f, row[f.name], f"{label}.{f.name}", kinds, leaf) for f in fields}
            return {**row, **inside}
        case str() if value and item.widget is not None and item.widget.kind in kinds:
            return leaf(item, label, value)
        case _:
            return value


def has_widget(item: Input, kinds: Collection[str]) -> bool:
    """Whether an input, or a field of its rows, has a widget of one of ``kinds``."""
    if item.widget is not None and item.widget.kind in kinds:
        return True
    return any(has_widget(field, kinds) for field in item.fields)
