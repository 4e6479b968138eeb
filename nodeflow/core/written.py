"""Values as a document writes them: links are objects, and so a literal object is escaped."""

from collections.abc import Sequence
from typing import Union

from nodeflow.core.json import JsonValue
from nodeflow.core.links import Link
from nodeflow.core.spec import Input

Linked = Union[JsonValue, Link, "list[Linked]", "dict[str, Linked]"]
"""A JSON value in whose lists and rows links may stand."""


def written(value: Linked, fields: Sequence[Input] = ()) -> JsonValue:
    """What a document holds for the value of an input, or of a field of a row.

    Args:
        value: Inside an object that is no row, nothing may be linked.
        fields: Of the rows, where the input takes rows.
    """
    match value:
        case Link():
            return {"link": str(value)}
        case list():
            return [_item(item, fields) for item in value]
        case dict():
            return {"value": value}  # type: ignore[dict-item]  # it holds no links
        case _:
            return value


def _item(value: Linked, fields: Sequence[Input]) -> JsonValue:
    if not fields or not isinstance(value, dict):
        return written(value, fields)
    inner = {field.name: field.fields for field in fields}
    return {name: written(member, inner.get(name, ())) for name, member in value.items()}
