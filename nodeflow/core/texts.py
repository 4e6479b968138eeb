"""Values typed as text, on the command line or in a form, read as the declared type has them."""

from nodeflow.core.errors import InvalidDocument
from nodeflow.core.json import JsonValue
from nodeflow.core.reading import read_json
from nodeflow.core.types import Type

_TEXTUAL = frozenset({"str", "Path", "any"})
_BOOLS = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}
_NUMBERS = frozenset({"int", "float"})


def parse_text(type_: Type, text: str) -> JsonValue:
    """The value that ``text`` means for an input of a type.

    A text stays a text wherever a text is accepted, so that a prompt ``123`` is one. What cannot be read is handed
    back as it is, for the check of the value to complain about.
    """
    if _takes_text(type_):
        return text
    match type_.name:
        case "optional":
            return None if text == "null" else parse_text(type_.args[0], text)
        case "bool":
            return _BOOLS.get(text.strip().casefold(), text)
        case "union":
            readings = (parse_text(member, text) for member in type_.args)
            return next((value for value in readings if value != text), text)
        case _:
            return _parse_json(type_, text)


def _takes_text(type_: Type) -> bool:
    if type_.name in _TEXTUAL or type_.name.startswith("$"):
        return True
    return type_.name in ("optional", "union") and any(map(_takes_text, type_.args))


def _parse_json(type_: Type, text: str) -> JsonValue:
    try:
        return read_json(text)
    except InvalidDocument:
        return _parse_number(text) if type_.name in _NUMBERS else text


def _parse_number(text: str) -> JsonValue:
    """A number in a form that people write and JSON does not have, such as ``.5`` or ``+3``."""
    try:
        return read_json(repr(float(text)))
    except (ValueError, InvalidDocument):
        return text
