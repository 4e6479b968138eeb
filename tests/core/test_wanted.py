"""What fields want, said in words that are not those of a library."""

from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field, ValidationError

from nodeflow.core.drawing import read_draw
from nodeflow.core.errors import InvalidDocument
from nodeflow.core.unfit import Unfit
from nodeflow.core.wanted import wanted
from nodeflow.core.workflow import Document


class Inner(BaseModel, strict=True):
    key: str


class Fields(BaseModel, strict=True):
    text: Annotated[str, Field(min_length=2)] = "ab"
    whole: int = 1
    number: Annotated[float, Field(gt=0.5)] = 1
    on: bool = True
    many: Annotated[list[str], Field(min_length=1)] = ["a"]
    table: dict[str, str] = {}
    inner: Inner | None = None
    either: Literal["a", "b"] = "a"
    late: Annotated[int, Field(multiple_of=2, ge=0, le=8)] = 2


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ({"text": 1}, "a text"),
        ({"text": ""}, "a text of at least 2 characters"),
        ({"whole": "1"}, "a whole number"),
        ({"whole": float(2**60)}, "a whole number between ±9007199254740991"),
        ({"number": "x"}, "a number"),
        ({"number": 0.5}, "a number above 0.5"),
        ({"on": 1}, "true or false"),
        ({"many": {}}, "a list"),
        ({"many": []}, "at least 1 items"),
        ({"table": []}, "an object"),
        ({"inner": "x"}, "an object"),
        ({"either": "c"}, "'a' or 'b'"),
        ({"late": 3}, "a multiple of 2"),
        ({"late": -2}, "at least 0"),
        ({"late": 10}, "at most 8"),
    ],
)
def test_a_field_says_what_it_wants(value: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError) as raised:
        Fields.model_validate(value)

    assert [wanted(details) for details in raised.value.errors()] == [words]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"packs": []}, "the field packs is wrong; found []; expected an object"),
        ({"packs": {"p": "1.0"}}, 'the field packs.p is wrong; found "1.0"; expected an object'),
        ({"packs": {"p": {"version": 5}}}, "the field packs.p.version is wrong; found 5; expected a text"),
        ({"nodes": {"1": {"type": "A"}}}, "expected a letter, and then letters, digits, _ and -"),
        ({"interface": {"outputs": {"o": {"from": "x"}}}}, 'expected "node.name", such as "scale.image"'),
    ],
)
def test_a_document_is_refused_in_plain_words(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidDocument) as raised:
        Document.from_tree({"nodeflow": 1, "nodes": {}, **changes})

    assert words in str(raised.value)


@pytest.mark.parametrize(
    ("draw", "message", "expected"),
    [
        (
            {"draw": "random", "max": float(2**53)},
            "draw random: the field max is wrong",
            "max as a whole number between ±9007199254740991",
        ),
        ({"draw": "counter", "name": ""}, "draw counter: the field name is wrong", "name as a text of at least 1"),
        ({"draw": "choice", "of": []}, "draw choice: the field of is wrong", "of as at least 1 items"),
        ({"draw": "random", "min": 1}, "draw random: there is no field min", "draw, max"),
        ({"draw": "counter"}, "draw counter: the field name is missing", "draw, name, start, step"),
        ({"draw": "time", "format": "%Q"}, "draw time, format: %Q at character 1 means nothing", ""),
    ],
)
def test_a_draw_says_what_its_field_wants(draw: Any, message: str, expected: str, catalogue: Any) -> None:
    with pytest.raises(Unfit) as raised:
        read_draw(draw, catalogue)

    assert raised.value.message.startswith(message)
    assert (raised.value.expected or "").startswith(expected)
