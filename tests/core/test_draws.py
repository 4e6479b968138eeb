"""What each draw gives, and what it may give."""

from datetime import datetime
from random import Random
from typing import Any, Literal, get_args

import pytest
from pydantic import TypeAdapter

from nodeflow.core.drawing import DrawTrial, read_draw
from nodeflow.core.draws import DRAWS, BuiltInDraw, Draw, FirstDraws
from nodeflow.core.errors import PackFailed
from nodeflow.core.packs import Manifest
from nodeflow.core.registry import Registry
from nodeflow.core.unfit import Unfit

NOON = datetime(2026, 11, 20, 12, 30)


class Source:
    """A submission in which everything is known beforehand."""

    random = Random(1)
    now = NOON

    def count(self, name: str, start: int, step: int, /) -> int:
        return start + 2 * step

    def next_file(self, folder: str, pattern: str, /) -> str:
        return f"{folder}/{pattern.replace('*', '7')}"


def drawn(value: Any) -> Any:
    return TypeAdapter[Any](BuiltInDraw).validate_python(value).pick(Source())


def samples(value: Any) -> list[Any]:
    return list(TypeAdapter[Any](BuiltInDraw).validate_python(value).samples(Source()))


def test_a_random_number_is_between_nothing_and_its_end() -> None:
    assert {drawn({"draw": "random", "max": 2}) for _ in range(50)} == {0, 1, 2}
    assert drawn({"draw": "random", "max": 0}) == 0
    assert 0 <= drawn({"draw": "random"}) <= 2**53 - 1
    assert samples({"draw": "random"}) == [0, 1, 2**53 - 1]
    assert samples({"draw": "random", "max": 0}) == [0]


def test_a_choice_is_one_of_its_list() -> None:
    assert {drawn({"draw": "choice", "of": ["a", 2]}) for _ in range(50)} == {"a", 2}
    assert samples({"draw": "choice", "of": ["a", 2]}) == ["a", 2]


def test_a_counter_is_asked_from_the_source() -> None:
    assert drawn({"draw": "counter", "name": "n", "start": 5, "step": -1}) == 3
    assert samples({"draw": "counter", "name": "n"}) == [2]


def test_a_text_has_its_choices_made() -> None:
    value = {"draw": "text", "template": r"a {red|blue {cat|dog}} \{"}

    assert {drawn(value) for _ in range(80)} == {"a red {", "a blue cat {", "a blue dog {"}
    assert samples(value) == ["a red {", "a blue cat {", "a red {", "a blue dog {"]
    assert samples({"draw": "text", "template": "plain"}) == ["plain", "plain"]


def test_a_time_is_that_of_the_submission() -> None:
    assert drawn({"draw": "time"}) == "2026-11-20"
    assert drawn({"draw": "time", "format": "shot %H:%M 100%% é"}) == "shot 12:30 100% é"


def test_a_next_file_is_asked_from_the_source() -> None:
    assert drawn({"draw": "next", "folder": "in", "pattern": "*.png"}) == "in/7.png"
    assert drawn({"draw": "next", "folder": "."}) == "./7"


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
def test_a_draw_with_its_fields_is_right(value: Any, catalogue: Any) -> None:
    assert read_draw(value, catalogue).draw == value["draw"]


@pytest.mark.parametrize(
    ("value", "code", "words"),
    [
        ({"draw": "dice"}, "draw.unknown", "random, counter, choice, text, time, next"),
        ({"draw": "tiem"}, "draw.unknown", 'did you mean "time"?'),
        ({"draw": ["random"]}, "draw.unknown", "random"),
        ({"draw": "mypack.take"}, "draw.unknown", "install the pack mypack"),
        ({"draw": "random", "max": 2**53}, "draw.field", "max"),
        ({"draw": "random", "max": 1.5}, "draw.field", "max"),
        ({"draw": "choice", "of": []}, "draw.field", "of"),
        ({"draw": "text"}, "draw.field", "template"),
        ({"draw": "text", "template": "a {b"}, "draw.field", "draw text, template: the { at character 3"),
        ({"draw": "next", "folder": ""}, "draw.field", "folder"),
        ({"draw": "next", "folder": "../secret"}, "draw.field", "never leaves it"),
        ({"draw": "time", "form": "%H"}, "draw.field", 'did you mean "format"?'),
        ({"draw": "time", "format": "%Y-%Q"}, "draw.field", "%Q at character 4 means nothing"),
        ({"draw": "time", "format": "100%"}, "draw.field", "% at character 4 means nothing"),
    ],
)
def test_a_draw_that_is_wrong_says_where(value: Any, code: str, words: str, catalogue: Any) -> None:
    with pytest.raises(Unfit) as raised:
        read_draw(value, catalogue)

    fault = raised.value
    assert fault.code == code
    assert words in f"{fault.message}; {fault.expected}; {fault.hint}"


def test_the_table_names_every_draw() -> None:
    members = get_args(get_args(BuiltInDraw)[0])

    assert set(DRAWS.values()) == set(members)
    assert all(get_args(model.model_fields["draw"].annotation) == (name,) for name, model in DRAWS.items())


def test_without_a_place_for_state_everything_is_at_its_beginning() -> None:
    source = FirstDraws()

    assert source.count("n", 4, 1) == 4
    assert source.random.random() == source.random.random()
    assert source.now.tzinfo is not None
    with pytest.raises(Unfit, match=r'the folder "in" has no file that matches "\*\.png"'):
        source.next_file("in", "*.png")


def test_a_draw_has_to_say_what_it_picks(catalogue: Any) -> None:
    class Unfinished(Draw):
        pass

    with pytest.raises(TypeError, match="pick"):
        Unfinished()  # type: ignore[abstract]


def test_a_draw_of_a_pack_is_tried_like_a_built_in_one(catalogue: Any) -> None:
    class Take(Draw):
        draw: Literal["mypack.take"]
        stage: str

        def pick(self, source: Any) -> Any:
            return f"{self.stage}{source.count('take', 1, 1):03}"

    specs = type(catalogue)(draws={"mypack.take": Take})

    assert DrawTrial(specs, FirstDraws()).samples({"draw": "mypack.take", "stage": "b"}) == ("b001",)
    with pytest.raises(Unfit, match=r"draw mypack\.take: the field stage is missing"):
        read_draw({"draw": "mypack.take"}, specs)
    with pytest.raises(Unfit) as raised:
        read_draw({"draw": "mypack.tak"}, specs)
    assert raised.value.hint == 'did you mean "mypack.take"?'


def test_a_registry_joins_the_draws_of_packs_to_the_built_in_ones() -> None:
    places = {"mypack.today": "nodeflow.core.draws:TimeDraw", "mypack.none": "json:loads", "random": "json:loads"}
    registry = Registry()
    registry.add(Manifest("mypack", extensions={"draws": places}))

    assert registry.draw("random") is DRAWS["random"]
    assert registry.draw("mypack.today") is DRAWS["time"]
    assert registry.draw("mypack.absent") is None
    with pytest.raises(PackFailed, match=r"'mypack\.none' \(json:loads\) is no class made from nodeflow\.api\.Draw"):
        registry.draw("mypack.none")
