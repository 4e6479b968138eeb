"""Values put inside the lists and rows of an input, by labels such as ``stack.rows[0].strength``."""

import json
import re
from collections.abc import Sequence
from typing import Final

from nodeflow.core.drawing import is_draw
from nodeflow.core.forms import Place
from nodeflow.core.json import JsonValue
from nodeflow.core.places import input_inside, is_row
from nodeflow.core.rawlinks import is_closed
from nodeflow.core.spec import Input
from nodeflow.core.suggest import did_you_mean, listing
from nodeflow.core.unfit import Unfit

Path = tuple[str | int, ...]

_LABEL: Final = re.compile(r"""([^\[\]]+)((?:\[\d{1,9}\]|\["(?:[^"\\]|\\.)*"\]|\.[^\W\d]\w*)+)""")
_STEP: Final = re.compile(r"""\[(\d+)\]|\[("(?:[^"\\]|\\.)*")\]|\.(\w+)""")


def split_label(name: str) -> tuple[str, Path]:
    """The name of a whole input, and what leads to the place inside it; nothing does for the input itself."""
    match = _LABEL.fullmatch(name) if "[" in name else None
    if match is None:
        return name, ()
    try:
        return match[1], tuple(
            int(index) if index else json.loads(quoted) if quoted else key
            for index, quoted, key in _STEP.findall(match[2])
        )
    except ValueError:
        return name, ()


def written(value: JsonValue) -> JsonValue:
    """A value as an input of a document has it."""
    return {"value": value} if isinstance(value, dict) and not is_draw(value) else value


def set_inside(
    value: JsonValue, input: Input | None, label: str, path: Sequence[str | int], new: JsonValue, *, plain: bool = False
) -> JsonValue:
    """What stands at an input, with another value at one place inside.

    Args:
        value: As the document has it; stays as it is.
        input: What takes it, if that is known.
        label: What messages call it.
        path: Leads to the place.
        new: The value for the place.
        plain: Objects in it are literals, whatever their keys.

    Raises:
        Unfit: There is no such place.
    """
    if isinstance(value, dict) and not plain and is_closed(value) and "value" in value:
        return {"value": set_inside(value["value"], input, label, path, new, plain=True)}
    if not path:
        return new if plain or (input is not None and is_row(input)) else written(new)
    step, *rest = path
    inner = input and input_inside(input, (step,))
    here = label + Place("", "").inside(step).label
    if isinstance(value, dict) and not plain and ("link" in value or "draw" in value):
        what = "linked" if "link" in value else "drawn"
        raise Unfit("setting.unknown", f'"{label}" is {what} as a whole, so there is no "{here}" to set')
    if isinstance(step, int):
        if not isinstance(value, list) or step >= len(value):
            raise _no_item(value, label, here)
        items = [*value]
        items[step] = set_inside(value[step], inner, here, rest, new, plain=plain)
        return items
    fields = _fields(value, input)
    if not isinstance(value, dict) or step not in fields:
        places = [label + Place("", "").inside(name).label for name in fields]
        raise Unfit("setting.unknown", f'there is no "{here}" to set', listing(places), did_you_mean(here, places))
    default = None if inner is None else inner.default
    return {**value, step: set_inside(value.get(step, default), inner, here, rest, new, plain=plain)}


def _fields(value: JsonValue, input: Input | None) -> Sequence[str]:
    if input is not None and is_row(input):
        return [field.name for field in input.fields]
    return [*value] if isinstance(value, dict) else []


def _no_item(value: JsonValue, label: str, here: str) -> Unfit:
    message = f'there is no "{here}" to set'
    if not isinstance(value, list):
        return Unfit("setting.unknown", f'{message}: "{label}" is no list')
    if not value:
        return Unfit("setting.unknown", f'{message}: "{label}" is empty', hint=f'set all of it: "{label}"')
    last = f"{label}[{len(value) - 1}]"
    return Unfit("setting.unknown", message, f"{label}[0] … {last}" if len(value) > 1 else last)
