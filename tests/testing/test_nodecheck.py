"""One node checked in this process, on examples made from its spec and on given ones."""

import random
import time
from dataclasses import dataclass
from enum import Enum
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Literal

import numpy as np
import pytest
import torch
from PIL import Image as Pillow

from nodeflow.api import Color, Encoded, Field, InputError, Kind, Open, Run, Secret, Seed, SubGraph, node, quiet
from nodeflow.core.json import JsonValue
from nodeflow.core.spec import Input, Output, Range, Spec, Widget
from nodeflow.core.types import Codec, Type
from nodeflow.diffusion.types import Image, Mask
from nodeflow.testing import Finding, an_image, check_node, example
from nodeflow.testing.examples import Maker, Unmakeable, load_examples
from nodeflow.testing.fingerprints import fingerprint
from nodeflow.testing.results import codec_findings


def codes(found: list[Finding]) -> list[str]:
    return [finding.code for finding in found]


class Mood(Enum):
    GLAD = "glad"
    CALM = "calm"


@node("trial.Fine")
def fine(
    image: Image,
    strength: Annotated[float, Field(ge=0, le=1)] = 0.5,
    mask: Mask | None = None,
    mood: Mood = Mood.GLAD,
    color: Annotated[str, Color()] = "#ffffff",
) -> Image:
    """Dim a picture.

    Args:
        image: The picture.
        strength: How much of it stays.
        mask: Where; everywhere without one.
        mood: Is of no consequence.
        color: Neither.
    """
    assert isinstance(mood, Mood)
    return image.replace(pixels=image.pixels * strength)


def test_a_good_node_has_no_findings() -> None:
    assert check_node(fine) == []
    assert check_node(fine, {"image": an_image(alpha=True), "strength": 0}) == []


def test_a_choice_that_only_fails_sometimes_is_tried() -> None:
    @node("trial.Picky")
    def picky(mode: Literal["soft", "hard"] = "soft") -> str:
        """Be picky.

        Args:
            mode: How.
        """
        return {"soft": "fine"}[mode]

    (found,) = check_node(picky)
    assert found.code == "node.fails"
    assert "fails on mode='hard': KeyError: 'hard'" in found.message


def test_a_refusal_of_something_made_up_is_a_note() -> None:
    @node("trial.Count")
    def count(text: str) -> int:
        """Read a number.

        Args:
            text: Of digits.
        """
        return int(text)

    (found,) = check_node(count)
    assert (found.code, found.severity) == ("node.not_run", "note")
    assert check_node(count, {"text": "12"}) == []
    assert codes(check_node(count, {"text": "twelve"})) == ["node.fails"]


def test_what_a_node_refuses_by_itself_is_its_right() -> None:
    @node("trial.Half")
    def half(number: Annotated[int, Field(ge=1, le=5)] = 2) -> int:
        """Halve a number.

        Args:
            number: An even one.
        """
        if number % 2:
            raise InputError("number", "must be even; try 2")
        return number // 2

    assert check_node(half) == []


def test_an_external_node_that_fails_is_a_note() -> None:
    @node("trial.Ask", kind=Kind.EXTERNAL)
    def ask() -> str:
        """Ask the world."""
        raise OSError("nobody is there")

    assert codes(check_node(ask)) == ["node.not_run"]


def test_an_external_node_may_give_something_else_each_time() -> None:
    @node("trial.Clock", kind=Kind.EXTERNAL)
    def clock() -> float:
        """Tell the time."""
        return time.perf_counter()

    assert check_node(clock) == []


def test_a_node_that_hangs_is_told() -> None:
    @node("trial.Wait")
    def wait() -> int:
        """Wait."""
        time.sleep(60)
        return 1

    assert codes(check_node(wait, seconds=0.3)) == ["node.hangs"]


def test_missing_docs_are_told_with_the_line() -> None:
    @node("trial.Silent")
    def silent(number: int = 1) -> int:
        return number

    found = check_node(silent)
    assert codes(found) == ["docs.node", "docs.input"]
    assert Path(found[0].file) == Path(__file__)
    assert "@node" in Path(__file__).read_text().splitlines()[found[0].line - 1]


def test_numpy_noise_and_times_are_unseeded_randomness() -> None:
    @node("trial.Noise")
    def noise() -> float:
        """Noise."""
        return float(np.random.random())

    @node("trial.Entropy")
    def entropy(seed: Seed = 0) -> float:
        """Noise that no seed decides.

        Args:
            seed: Is passed over.
        """
        return float(np.random.default_rng().random())

    assert codes(check_node(noise)) == ["node.random"]
    assert codes(check_node(entropy)) == ["node.random"]


def test_a_check_leaves_the_shared_generators_as_they_were() -> None:
    random.seed(7)
    np.random.seed(7)
    torch.manual_seed(7)
    expected = (random.getstate()[1], np.random.get_state()[1].tolist(), torch.get_rng_state().tolist())  # type: ignore[index]
    check_node(fine)
    found = (random.getstate()[1], np.random.get_state()[1].tolist(), torch.get_rng_state().tolist())  # type: ignore[index]
    assert found == expected


def test_an_object_that_no_guard_knows_is_compared_too() -> None:
    class Counter:
        def __init__(self) -> None:
            self.count = 0

        nbytes = 8

    @node("trial.Tick")
    def tick(counter: Counter) -> int:
        """Count.

        Args:
            counter: Goes up.
        """
        counter.count += 1
        return 1

    tick.__annotations__["counter"] = Counter
    (found,) = check_node(tick, {"counter": Counter()})
    assert (found.code, 'changes its input "counter"' in found.message) == ("input.mutated", True)


def test_a_secret_and_a_shown_value_do_no_harm() -> None:
    @node("trial.Call", kind=Kind.EFFECT)
    def call(key: Annotated[str, Secret()], *, run: Run = quiet) -> None:
        """Call somebody.

        Args:
            key: Who it is.
        """
        run.show(len(key))

    assert check_node(call) == []


INPUTS: list[tuple[Input, object]] = [
    (Input("n", Type("int"), range=Range(ge=0, le=10)), 2),
    (Input("n", Type("float"), range=Range(ge=0, le=1)), 0.5),
    (Input("n", Type("int"), range=Range(ge=8, le=16384, multiple_of=8)), 64),
    (Input("n", Type("int"), range=Range(ge=1000)), 1000),
    (Input("n", Type("float"), range=Range(gt=0, lt=0.01)), 0.001),
    (Input("n", Type("int")), 2),
    (Input("t", Type("str")), "example"),
    (Input("t", Type("str"), range=Range(max_length=3)), "a"),
    (Input("t", Type("str"), range=Range(min_length=20)), "a" * 20),
    (Input("t", Type("str"), range=Range(pattern="^#[0-9a-f]{6}$")), "#336699"),
    (Input("t", Type("str"), choices=("a", "b")), "a"),
    (Input("t", Type("list", (Type("str"),)), choices=("a", "b")), ["a"]),
    (Input("t", Type("str"), open_choices="moods"), "glad"),
    (Input("l", Type("list", (Type("int"),))), [2, 2]),
    (Input("l", Type("list", (Type("int"),)), range=Range(max_length=1)), [2]),
    (Input("l", Type("list", (Type("Row"),)), fields=(Input("name", Type("str")),)), [{"name": "example"}] * 2),
    (Input("o", Type("optional", (Type("bool"),))), True),
    (Input("u", Type("union", (Type("int"), Type("str")))), 2),
    (Input("d", Type("dict")), {"example": 1}),
    (Input("a", Type("any")), "example"),
    (Input("g", Type("$T")), "example"),
    (Input("s", Type("Sound")), "a sound"),
    (Input("f", Type("Path"), widget=Widget("image_file")), Path("pictures/example.png")),
    (Input("f", Type("Path"), widget=Widget("image_folder")), Path("pictures")),
    (Input("c", Type("str"), widget=Widget("color")), "#336699"),
]


@pytest.fixture
def maker() -> Maker:
    tables: dict[str, tuple[JsonValue, ...]] = {"moods": ("glad",)}
    return Maker(lambda table: tables.get(table, ()), lambda: Path("pictures/example.png"), {"Sound": "a sound"})


@pytest.mark.parametrize(("item", "value"), INPUTS, ids=[f"{item.type} {item.range or ''}" for item, _ in INPUTS])
def test_a_value_is_made_from_the_spec(maker: Maker, item: Input, value: object) -> None:
    assert maker.value(item) == value


@pytest.mark.parametrize(
    ("item", "words"),
    [
        (Input("m", Type("Path"), widget=SubGraph().widget()), '"m" is a graph'),
        (Input("m", Type("Path"), widget=Widget("model_file")), '"m" is a model file'),
        (Input("t", Type("str"), open_choices=Open("none").table), '"t" is one of none, of which there are none'),
        (Input("t", Type("str"), range=Range(pattern="^Q{3}$")), '"t" is a text of the form asked for'),
        (Input("s", Type("Picture3D")), '"s" is a value of type Picture3D'),
    ],
)
def test_what_cannot_be_made_is_told(maker: Maker, item: Input, words: str) -> None:
    with pytest.raises(Unmakeable, match=words):
        maker.value(item)


def test_examples_vary_one_input_at_a_time(maker: Maker) -> None:
    inputs = (
        Input("image", Type("Image")),
        Input("times", Type("int"), required=False, default=1, range=Range(ge=0, le=9)),
        Input("mode", Type("str"), required=False, default="a", choices=("a", "b", "c")),
        Input("invert", Type("bool"), required=False, default=False),
        Input("mask", Type("optional", (Type("Mask"),)), required=False),
        Input("size", Type("int"), required=False, default=512),
    )
    made = maker.examples(Spec("trial.Many", inputs=inputs))
    changes: list[dict[str, Any]] = [{k: v for k, v in each.inputs.items() if k != "image"} for each in made]
    assert [sorted(change) for change in changes] == [[], ["times"], ["mode"], ["mode"], ["invert"], ["mask"]]
    assert [change.get("mode") for change in changes[2:4]] == ["b", "c"]
    assert not any(each.invented for each in made)


def test_examples_are_read_from_their_file(tmp_path: Path) -> None:
    assert load_examples(tmp_path) == {}
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "examples.py").write_text(
        "from nodeflow.testing import example\n@example('a.B')\ndef one(): return {}\n"
    )
    assert [give() for give in load_examples(tmp_path)["a.B"]] == [{}]


def test_an_example_is_for_a_function_or_for_an_id() -> None:
    @example(fine)
    def by_function() -> dict[str, object]:
        return {}

    @example("trial.Fine")
    def by_id() -> dict[str, object]:
        return {}

    assert vars(by_function) == vars(by_id)


@dataclass(frozen=True)
class Sound:
    samples: bytes
    rate: int = 8000

    @property
    def nbytes(self) -> int:
        return len(self.samples)


class Forgetful:
    """A codec that leaves a field out."""

    def encode(self, value: Sound, /) -> Encoded:
        return Encoded(None, [value.samples])

    def decode(self, encoded: Encoded, /) -> Sound:
        return Sound(bytes(encoded.blobs[0]))


class Broken(Forgetful):
    def decode(self, encoded: Encoded, /) -> Sound:
        raise KeyError("rate")


def test_a_codec_that_loses_something_is_told() -> None:
    spec = Spec("trial.Silence", outputs=(Output("sound", Type("Sound")),))

    def found(sound: Sound, codec: Codec | None) -> list[Finding]:
        return list(codec_findings(spec, {"sound": sound}, lambda name: codec, ("", 0)))

    assert found(Sound(b"1"), Forgetful()) == found(Sound(b"1"), None) == []
    (lost,) = found(Sound(b"1", 44100), Forgetful())
    assert (lost.code, lost.message) == ("value.codec", "decode(encode(value)) of Sound is not the value")
    (raised,) = found(Sound(b"1"), Broken())
    assert "raised KeyError: 'rate'" in raised.message


ALIKE = [
    lambda: torch.arange(3.0),
    lambda: torch.arange(3.0).to(torch.bfloat16),
    lambda: torch.empty(0),
    lambda: torch.eye(2).to_sparse(),
    lambda: np.arange(3),
    lambda: np.array([{"a": 1}], dtype=object),
    lambda: np.float32(0.5),
    lambda: Pillow.new("L", (2, 2)),
    lambda: an_image(),
    lambda: {"a": [1, 2.0, None, (True, b"x")]},
    lambda: {"one", "two", "three"},
    lambda: PurePosixPath("a/b"),
    lambda: Mood.CALM,
    lambda: int,
    lambda: torch.nn.Linear(2, 2).requires_grad_(False) if torch.manual_seed(0) else None,
]


@pytest.mark.parametrize("make", ALIKE)
def test_equal_values_have_one_fingerprint(make: Any) -> None:
    assert fingerprint(make()) == fingerprint(make())


def test_different_values_have_different_fingerprints() -> None:
    values = [
        0,
        0.0,
        False,
        "0",
        None,
        [],
        (),
        [0],
        [[0]],
        {"a": 1},
        {"b": 1},
        b"0",
        torch.zeros(2),
        torch.zeros(1, 2),
        torch.zeros(2, dtype=torch.int32),
        np.zeros(2),
        Pillow.new("L", (1, 2)),
        Pillow.new("L", (2, 1)),
        {"a"},
        Mood.GLAD,
        Mood.CALM,
        Sound(b"1"),
        Sound(b"1", 1),
        float,
        int,
        print,
        len,
    ]
    assert len({fingerprint(value) for value in values}) == len(values)


def test_what_a_network_remembers_of_its_calls_is_not_part_of_it() -> None:
    network = torch.nn.Linear(2, 2)
    before = fingerprint(network)
    network._remembered = torch.ones(3)  # type: ignore[assignment]
    assert fingerprint(network) == before
    network.share = 0.5  # type: ignore[assignment]
    shared = fingerprint(network)
    assert shared != before
    network.weight.data[0, 0] += 1
    changed = fingerprint(network)
    network.register_forward_hook(print)
    assert len({before, shared, changed, fingerprint(network)}) == 4


def test_a_value_that_holds_itself_has_a_fingerprint() -> None:
    loop: list[object] = [1]
    loop.append(loop)
    assert fingerprint(loop) == fingerprint(loop)


def test_a_rule_that_crashes_is_found_though_the_node_runs() -> None:
    @node("trial.Ruled")
    def ruled(number: Annotated[int, Field(ge=0, le=9)] = 1) -> int:
        """Take a number.

        Args:
            number: The number.
        """
        return number

    @ruled.check
    def _crashes(number: int) -> None:
        print(number / 0)

    (finding,) = check_node(ruled)
    assert finding.code == "rule.fails"
    assert "_crashes: ZeroDivisionError" in finding.message


@pytest.mark.parametrize(
    ("given", "message", "way_out"),
    [
        (5, "the example returned int", "return a dict of inputs"),
        ({"imge": 1}, 'the example gives "imge", which is no input of the node', 'did you mean "image"?'),
        ({"zzz": 1}, 'the example gives "zzz", which is no input of the node', "it has color, image, mask, mood"),
    ],
)
def test_an_example_that_is_wrong_is_no_fault_of_the_node_and_the_others_are_tried(
    given: Any, message: str, way_out: str
) -> None:
    for others in ((), ({"image": an_image()},)):
        (finding,) = check_node(fine, given, *others)
        assert (finding.code, finding.message) == ("example.fails", message)
        assert finding.way_out.startswith(way_out)


def test_a_default_below_zero_is_told_how_an_input_goes_below() -> None:
    @node("trial.Shift")
    def shift(by: int = -1, most: Annotated[int, Field(le=9)] = 10) -> int:
        """Shift.

        Args:
            by: How far.
            most: How far at most.
        """
        return by + most

    found = [finding.way_out for finding in check_node(shift) if finding.code == "input.default"]
    way_out = "an int starts at 0 unless it says otherwise"
    assert found == [
        f"nearest is 0; {way_out}: by: Annotated[int, Field(ge=-10)]",
        "nearest is 9",
    ]


def test_a_name_that_does_not_exist_is_never_the_fault_of_an_example() -> None:
    @node("trial.Misspelt")
    def misspelt(text: str) -> str:
        """Hand on a text.

        Args:
            text: The text.
        """
        return txet  # type: ignore[name-defined,no-any-return]  # noqa: F821

    (finding,) = check_node(misspelt)
    assert (finding.code, finding.severity) == ("node.fails", "error")
    assert "NameError: name 'txet' is not defined" in finding.message
