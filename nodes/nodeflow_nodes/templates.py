"""Texts with places in braces that values are put into; nothing inside a value can be reached."""

import re
import string
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Final, NamedTuple

Plain = str | int | float | bool

# As Python has it, without what depends on the machine's language.
_SPEC: Final = re.compile(
    r"(?:[^{}]?[<>=^])?[-+ ]?#?0?(?P<width>\d{0,12})[,_]?(?:\.(?P<precision>\d{1,12}))?[bcdeEfFgGosxX%]?"
)
_WIDEST: Final = 1000
_NAME: Final = re.compile(r"\d+|[^\W\d]\w*|")


class TemplateError(ValueError):
    """A template that cannot be filled in; the message says what to write."""


class Place(NamedTuple):
    """A text, and the place after it.

    Attributes:
        name: Of the value, or its number; None after the last text.
        form: How the value is written, as after the colon in `{0:05.2f}`.
    """

    before: str
    name: str | None
    form: str


def read(template: str) -> Sequence[Place]:
    """The places of a template; `{}` is the next value by number.

    Raises:
        TemplateError: A brace has no partner, or a place names something inside a value.
    """
    try:
        parts = list(string.Formatter().parse(template))
    except ValueError as error:
        raise TemplateError(f"{error}; a brace that is meant as such is written twice") from None
    places: list[Place] = []
    count = 0
    for before, name, form, conversion in parts:
        if name is not None:
            _check(name, form or "", conversion)
            if not name:
                name, count = str(count), count + 1
        places.append(Place(before, name, form or ""))
    return places


def fill(template: str, values: Mapping[str, Plain]) -> str:
    """The template with the values in their places.

    Raises:
        TemplateError: A value is missing, or cannot be written as the template asks.
    """
    places = read(template)
    for place in places:
        if place.name is not None and place.name not in values:
            close = get_close_matches(place.name, values, 1)
            way_out = f"did you mean {{{close[0]}}}?" if close else f"given: {', '.join(values) or 'nothing'}"
            raise TemplateError(f"there is no value for {{{place.name}}}; {way_out}")
    return "".join(
        place.before if place.name is None else place.before + _written(place, values[place.name]) for place in places
    )


def _check(name: str, form: str, conversion: str | None) -> None:
    if not _NAME.fullmatch(name):
        raise TemplateError(f"{{{name}}} is no name; write a name or a number, and nothing about what is inside")
    if conversion is not None:
        raise TemplateError(f"{{{name}!{conversion}}}: leave !{conversion} out")
    match = _SPEC.fullmatch(form)
    if match is None:
        raise TemplateError(f"{{{name}:{form}}} has no known form; write one such as {{{name}:05.2f}}")
    if any(int(match[group] or 0) > _WIDEST for group in ("width", "precision")):
        raise TemplateError(f"{{{name}:{form}}} is too wide; at most {_WIDEST} characters")


def _written(place: Place, value: Plain) -> str:
    try:
        return format(value, place.form)
    except (ValueError, OverflowError) as error:
        raise TemplateError(f"{{{place.name}:{place.form}}} cannot hold {value!r:.40}: {error}") from None
