"""Places inside inputs: items of lists, fields of rows, members of objects."""

from collections.abc import Sequence
from dataclasses import replace

from nodeflow.core.spec import Input
from nodeflow.core.types import ANY, Type


def input_inside(input: Input, path: Sequence[str | int]) -> Input | None:
    """What is taken at a place inside an input, as an input of its own; None when it has no such place.

    Args:
        input: The whole.
        path: Keys and positions that lead there.
    """
    for step in path:
        item = item_type(input.type)
        if isinstance(step, int) and item is not None:
            input = replace(input, type=item, range=None)
        elif isinstance(step, str) and is_row(input):
            found = next((field for field in input.fields if field.name == step), None)
            if found is None:
                return None
            input = found
        elif isinstance(step, str) and takes_objects(input.type):
            input = Input(input.name, ANY)
        else:
            return None
    return input


def is_row(input: Input) -> bool:
    """Whether one row is taken, and not a list of them."""
    return bool(input.fields) and item_type(input.type) is None


def item_type(type_: Type) -> Type | None:
    """What the items of a list are; None where no list is taken."""
    match type_.name:
        case "list" | "optional":
            return type_.args[0] if type_.name == "list" else item_type(type_.args[0])
        case "union":
            members = tuple(dict.fromkeys(item for member in type_.args if (item := item_type(member))))
            return members[0] if len(members) == 1 else Type("union", members) if members else None
        case "any":
            return ANY
        case name:
            return ANY if name.startswith("$") else None


def takes_objects(type_: Type) -> bool:
    """Whether an object may stand there."""
    if type_.name in ("optional", "union"):
        return any(map(takes_objects, type_.args))
    return type_.name in ("any", "dict") or type_.name.startswith("$")
