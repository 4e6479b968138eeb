"""The one canonical form of JSON: the same bytes from Python and from JavaScript.

A document is written exactly as ``JSON.stringify(document, null, 2) + "\\n"`` prints it: numbers in the shortest form
that reads back equal, keys in the order they came in (keys that look like array indices first and ascending, because
every JavaScript engine orders them so), nothing escaped but what JSON demands.
"""

import re
from collections.abc import Callable, Mapping
from json.encoder import encode_basestring
from typing import Final

from nodeflow.core.json import JsonValue

MAX_SAFE_INTEGER: Final = 2**53 - 1
"""The largest integer that Python and JavaScript both hold exactly."""

_MAX_INDEX: Final = 2**32 - 2
_INDENT: Final = "  "

quote: Callable[[str], str] = encode_basestring
"""A text as JSON, without escaping what needs none."""


_HALF: Final = re.compile("[\ud800-\udfff]")


def half_character(text: str) -> str | None:
    """The first half of a character in a text, which has no UTF-8, as JSON escapes it; None in nearly every text."""
    match = None if text.isascii() else _HALF.search(text)
    return None if match is None else f"\\u{ord(match[0]):04x}"


def number_text(value: float) -> str:
    """Print a number as JavaScript does (ECMA-262, Number::toString).

    Raises:
        ValueError: Not finite, or an integer that JavaScript cannot hold.
    """
    if isinstance(value, int):
        if -MAX_SAFE_INTEGER <= value <= MAX_SAFE_INTEGER:
            return int.__repr__(value)
        raise ValueError(f"{value} is beyond ±(2^53 - 1)")
    if not -_INFINITY < value < _INFINITY:
        raise ValueError(f"{value} is not a finite number")
    if value.is_integer() and -MAX_SAFE_INTEGER <= value <= MAX_SAFE_INTEGER:
        return repr(int(value))
    return _float_text(repr(value))


_INFINITY: Final = float("inf")


def _float_text(text: str) -> str:
    mantissa, _, exponent = text.partition("e")
    if not exponent:
        return mantissa.removesuffix(".0")
    sign = "-" if mantissa.startswith("-") else ""
    digits = mantissa.lstrip("-").replace(".", "")
    power = int(exponent)
    if -7 < power < 0:
        return f"{sign}0.{'0' * (-power - 1)}{digits}"
    if 0 < power < 21:
        return sign + digits.ljust(power + 1, "0")
    fraction = f".{digits[1:]}" if len(digits) > 1 else ""
    return f"{sign}{digits[0]}{fraction}e{power:+d}"


def document_bytes(value: JsonValue) -> bytes:
    """Write a document as it is saved: two spaces of indentation, UTF-8, one newline at the end."""
    return _utf8(_indented(value, "\n") + "\n")


def record_bytes(value: JsonValue) -> bytes:
    """Write a value as it is hashed: keys sorted, no spaces."""
    return _utf8(record_text(value))


def record_text(value: JsonValue) -> str:
    """The text that ``record_bytes`` encodes."""
    match value:
        case list():
            return f"[{','.join(map(record_text, value))}]"
        case dict():
            return f"{{{','.join(f'{quote(key)}:{record_text(value[key])}' for key in sorted(value))}}}"
        case _:
            return _scalar(value)


def _utf8(text: str) -> bytes:
    # A lone surrogate has no UTF-8; JSON.stringify writes it as \udXXX, and so does this error handler.
    return text.encode("utf-8", "backslashreplace")


def _indented(value: JsonValue, newline: str) -> str:
    inner = newline + _INDENT
    match value:
        case [] | {} if not value:
            return "[]" if isinstance(value, list) else "{}"
        case list():
            return f"[{inner}{f',{inner}'.join(_indented(item, inner) for item in value)}{newline}]"
        case dict():
            members = (f"{quote(key)}: {_indented(value[key], inner)}" for key in _key_order(value))
            return f"{{{inner}{f',{inner}'.join(members)}{newline}}}"
        case _:
            return _scalar(value)


def _key_order(value: Mapping[str, JsonValue]) -> list[str]:
    if not any(key[:1].isdigit() for key in value):
        return list(value)
    return sorted(value, key=lambda key: (0, int(key)) if _is_index(key) else (1, 0))


def _is_index(key: str) -> bool:
    if not (key.isascii() and key.isdigit()) or len(key) > 10:
        return False
    return str(int(key)) == key and int(key) <= _MAX_INDEX


def _scalar(value: object) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case str():
            return quote(value)
        case int() | float():
            return number_text(value)
        case _:
            raise ValueError(f"{type(value).__name__} is not JSON")
