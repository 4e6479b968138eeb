"""Draws are checked when a document is read, although nothing draws yet."""

from typing import Any, get_args

import pytest
from pydantic import TypeAdapter

from nodeflow.core.draws import DRAWS, Draw, draw_fault


@pytest.mark.parametrize(
    "value",
    [
        {"draw": "random"},
        {"draw": "random", "max": 2**53 - 1},
        {"draw": "counter", "name": "n", "start": -1, "step": 2},
        {"draw": "choice", "of": [1, "a", None]},
        {"draw": "text", "template": r"a {red|blue {cat|dog}} \{"},
        {"draw": "time", "format": "%H"},
        {"draw": "time"},
        {"draw": "next", "folder": "in", "pattern": "*.png"},
    ],
)
def test_a_draw_with_its_fields_is_right(value: Any) -> None:
    assert draw_fault(value) is None
    assert TypeAdapter[Any](Draw).validate_python(value).draw == value["draw"]


@pytest.mark.parametrize(
    ("value", "code", "words"),
    [
        ({"draw": "dice"}, "draw.unknown", "random, counter, choice, text, time, next"),
        ({"draw": ["random"]}, "draw.unknown", "random"),
        ({"draw": "random", "max": 2**53}, "draw.field", "max"),
        ({"draw": "random", "max": 1.5}, "draw.field", "max"),
        ({"draw": "choice", "of": []}, "draw.field", "of"),
        ({"draw": "text"}, "draw.field", "template"),
        ({"draw": "next", "folder": ""}, "draw.field", "folder"),
        ({"draw": "time", "form": "%H"}, "draw.field", 'did you mean "format"?'),
    ],
)
def test_a_draw_that_is_wrong_says_where(value: Any, code: str, words: str) -> None:
    fault = draw_fault(value)

    assert fault is not None
    assert fault[0] == code
    assert words in " ".join(map(str, fault))


def test_the_table_names_every_draw() -> None:
    members = get_args(get_args(Draw)[0])

    assert set(DRAWS.values()) == set(members)
    assert all(get_args(model.model_fields["draw"].annotation) == (name,) for name, model in DRAWS.items())
