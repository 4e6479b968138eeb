"""Draws: inputs whose value is chosen when a document is submitted, once, so that everything later sees a literal."""

from collections.abc import Mapping
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError

from nodeflow.core.canonical import MAX_SAFE_INTEGER
from nodeflow.core.suggest import did_you_mean, listing

Integer = Annotated[int, Field(ge=-MAX_SAFE_INTEGER, le=MAX_SAFE_INTEGER)]


class _Draw(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class RandomDraw(_Draw):
    """A whole number between 0 and ``max``."""

    draw: Literal["random"]
    max: Annotated[int, Field(ge=0, le=MAX_SAFE_INTEGER)] = MAX_SAFE_INTEGER


class CounterDraw(_Draw):
    """A number that goes on by ``step`` at each submission; counters of one ``name`` share their state."""

    draw: Literal["counter"]
    name: Annotated[str, Field(min_length=1)]
    start: Integer = 0
    step: Integer = 1


class ChoiceDraw(_Draw):
    """One of a list."""

    draw: Literal["choice"]
    of: Annotated[list[JsonValue], Field(min_length=1)]


class TextDraw(_Draw):
    r"""A text in which each ``{a|b}`` becomes one of its parts; they nest, and ``\{`` is a brace."""

    draw: Literal["text"]
    template: str


class TimeDraw(_Draw):
    """The time of submission, as ``strftime`` writes it."""

    draw: Literal["time"]
    format: Annotated[str, Field(min_length=1)] = "%Y-%m-%d"


class NextDraw(_Draw):
    """The next file of a folder whose name matches ``pattern``."""

    draw: Literal["next"]
    folder: Annotated[str, Field(min_length=1)]
    pattern: Annotated[str, Field(min_length=1)] = "*"


Draw = Annotated[RandomDraw | CounterDraw | ChoiceDraw | TextDraw | TimeDraw | NextDraw, Field(discriminator="draw")]

DRAWS: Final[Mapping[str, type[_Draw]]] = {
    "random": RandomDraw,
    "counter": CounterDraw,
    "choice": ChoiceDraw,
    "text": TextDraw,
    "time": TimeDraw,
    "next": NextDraw,
}
"""The draws there are."""

Fault = tuple[str, str, object, str | None, str | None]
"""Code, message, what was found, what was expected, and a hint."""


def draw_fault(value: Mapping[str, JsonValue]) -> Fault | None:
    """What is wrong with an object that has the key ``draw``, or None."""
    name = value["draw"]
    model = DRAWS.get(name) if isinstance(name, str) else None
    if model is None:
        hint = did_you_mean(name, DRAWS) if isinstance(name, str) else None
        return "draw.unknown", "there is no such draw", name, listing(DRAWS), hint
    try:
        model.model_validate(value)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        field = ".".join(map(str, first["loc"]))
        known = did_you_mean(field, model.model_fields) if first["type"] == "extra_forbidden" else None
        return "draw.field", f"draw {name}, {field}: {first['msg']}", value, listing(model.model_fields), known
    return None
