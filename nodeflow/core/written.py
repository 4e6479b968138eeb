"""Values as a document writes them: links are objects, and so a literal object is escaped."""

from collections.abc import Mapping, Sequence
from typing import Union, cast

from nodeflow.core.json import JsonValue
from nodeflow.core.links import Link
from nodeflow.core.spec import Input

Linked = Union[JsonValue, Link, "list[Linked]", "dict[str, Linked]"]
"""A JSON value in whose lists and rows links may stand."""


def written(value: Linked, fields: Sequence[Input] = ()) -> JsonValue:
    """What a document holds for the value of an input, or of a field of a row.

    Args:
        value: An object with links in it stands in a list; at other places objects are literals.
        fields: Of the rows, where the input takes rows.
    """
    match value:
        case Link():
            return {"link": str(value)}
        case list():
            return [_item(item, fields) for item in value]
        case dict():
            return {"value": cast("dict[str, JsonValue]", value)}
        case _:
            return value


def _item(value: Linked, fields: Sequence[Input]) -> JsonValue:
    if not isinstance(value, dict) or not (fields or _holds_link(value)):
        return written(value, fields)
    inner: Mapping[str, Sequence[Input]] = {field.name: field.fields for field in fields}
    member = written if fields else _item
    return {name: member(part, inner.get(name, ())) for name, part in value.items()}


def _holds_link(value: Linked) -> bool:
    match value:
        case list():
            return any(map(_holds_link, value))
        case dict():
            return any(map(_holds_link, value.values()))
        case _:
            return isinstance(value, Link)
