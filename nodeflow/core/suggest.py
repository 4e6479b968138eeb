"""The words of an error message: what was found, cut short, and the nearest thing that would have been right."""

from collections.abc import Collection, Iterable
from difflib import get_close_matches
from itertools import islice

from nodeflow.core.canonical import record_text
from nodeflow.core.json import JsonValue

_SHOWN = 8


def nearest(name: str, names: Iterable[str]) -> str | None:
    """The name most like ``name``, or None when nothing is like it; case is forgiven."""
    by_folded = {candidate.casefold(): candidate for candidate in names}
    return next(
        (by_folded[match] for match in get_close_matches(name.casefold(), list(by_folded), n=1, cutoff=0.5)), None
    )


def did_you_mean(name: str, names: Iterable[str]) -> str | None:
    """``did you mean "steps"?`` or None."""
    match = nearest(name, names)
    return None if match is None else f'did you mean "{match}"?'


def listing(names: Collection[str]) -> str:
    """The first few names, and how many more there are."""
    shown = ", ".join(islice(names, _SHOWN))
    return f"{shown} and {len(names) - _SHOWN} more" if len(names) > _SHOWN else shown or "none"


def shorten(value: object) -> str:
    """A value as JSON, at most 60 characters of it; whatever is no JSON is named by its type."""
    try:
        text = record_text(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):  # the former of keys that are no text
        text = f"{type(value).__name__} {value!r}"
    return text if len(text) <= 60 else f"{text[:57]}…"


def kind_of(value: JsonValue) -> str:
    """What people call this sort of JSON value."""
    match value:
        case None:
            return "nothing (null)"
        case bool():
            return "true or false"
        case int():
            return "a whole number"
        case float():
            return "a number"
        case str():
            return "a text"
        case list():
            return "a list"
        case _:
            return "an object"
