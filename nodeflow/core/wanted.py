"""What a field wants, in the words of nodeflow where pydantic has words of its own."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from pydantic_core import ErrorDetails

from nodeflow.core.canonical import MAX_SAFE_INTEGER

OUTSIDE: Final = "value_error"
"""The kind of those errors whose message a validator of a model has written."""


def wanted(details: ErrorDetails) -> str:
    """What the field takes that an error of pydantic is about; the errors ask for ``include_context``."""
    words = _WORDS.get(details["type"])
    if words is None:
        return details["msg"].removeprefix("Value error, ").removeprefix("Input should be ")
    return words(details["input"], details.get("ctx", {}))


def _whole(found: object, _: Mapping[str, Any]) -> str:
    """Numbers beyond what JavaScript holds have been read as floats."""
    is_beyond = isinstance(found, float) and abs(found) > MAX_SAFE_INTEGER
    return f"a whole number between ±{MAX_SAFE_INTEGER}" if is_beyond else "a whole number"


def _name(_: object, context: Mapping[str, Any]) -> str:
    if r"\." in context["pattern"]:
        return '"node.name", such as "scale.image"'
    return "a letter, and then letters, digits, _ and -"


def _said(words: str) -> Callable[[object, Mapping[str, Any]], str]:
    return lambda _, context: words.format(**context)


_WORDS: Final[Mapping[str, Callable[[object, Mapping[str, Any]], str]]] = {
    "string_type": _said("a text"),
    "int_type": _whole,
    "float_type": _said("a number"),
    "bool_type": _said("true or false"),
    "list_type": _said("a list"),
    "dict_type": _said("an object"),
    "model_type": _said("an object"),
    "literal_error": _said("{expected}"),
    "string_pattern_mismatch": _name,
    "string_too_short": _said("a text of at least {min_length} characters"),
    "too_short": _said("at least {min_length} items"),
    "greater_than": _said("a number above {gt}"),
    "greater_than_equal": _said("at least {ge}"),
    "less_than_equal": _said("at most {le}"),
}
