"""Draws in documents: tried against their inputs when a document is checked, replaced once when it is submitted."""

from datetime import datetime
from random import Random
from typing import Any

import pytest

from nodeflow.core.drawing import DrawTrial, draw_all, draw_settings, has_draw
from nodeflow.core.draws import Draw, FirstDraws
from nodeflow.core.errors import PackFailed, UsageError
from nodeflow.core.unfit import Unfit
from nodeflow.core.validate import resolve
from nodeflow.core.workflow import Document, parse_document

RANDOM = {"draw": "random"}


class Source(FirstDraws):
    """Counts what it is asked; chance is a fixed row of numbers."""

    def __init__(self) -> None:
        self.chance = Random(7)
        self.asked: list[str] = []

    @property
    def random(self) -> Random:
        return self.chance

    @property
    def now(self) -> datetime:
        return datetime(2026, 11, 20)

    def count(self, name: str, start: int, step: int, /) -> int:
        self.asked.append(name)
        return start + len(self.asked)


class Nothing(Draw):
    draw: str

    def pick(self, source: Any) -> Any:
        return 0

    def samples(self, source: Any) -> Any:
        return iter(())


class Raising(Draw):
    draw: str

    def pick(self, source: Any) -> Any:
        raise ZeroDivisionError("no dice")


class Listed(Draw):
    draw: str
    of: list[Any]

    def pick(self, source: Any) -> Any:
        return self.of


def document(nodes: dict[str, Any], **rest: Any) -> Document:
    return Document.from_tree({"nodeflow": 1, "nodes": nodes, **rest})


def sample(**inputs: Any) -> dict[str, Any]:
    return {"type": "Sample", "version": 2, "inputs": inputs}


@pytest.mark.parametrize(
    ("inputs", "code", "words"),
    [
        ({"steps": RANDOM}, "number.range", "the draw random may give 0: 0 is below the range"),
        ({"steps": {"draw": "choice", "of": [5, 101]}}, "number.range", "may give 101: 101 is above the range"),
        ({"steps": {"draw": "choice", "of": ["5"]}}, "literal.type", 'may give "5": a text instead of a whole number'),
        ({"steps": {"draw": "time"}}, "literal.type", "the draw time may give"),
        ({"steps": {"draw": "counter", "name": "n"}}, "number.range", "the draw counter may give 0"),
        ({"sampler": {"draw": "text", "template": "euler{|_ancestor}"}}, "literal.choice", '"euler_ancestor"'),
        ({"sampler": {"draw": "next", "folder": "in"}}, "draw.empty", 'the folder "in" has no file'),
        ({"sampler": {"draw": "dice"}}, "draw.unknown", "there is no such draw"),
        ({"steps": {"draw": "mypack.absent"}}, "pack.failed", "No module named"),
        ({"steps": {"draw": "mypack.nothing"}}, "draw.empty", "mypack.nothing has nothing to give"),
    ],
)
def test_every_value_that_a_draw_may_give_is_held_against_the_input(
    inputs: Any, code: str, words: str, catalogue: Any, files: Any, picture: Any
) -> None:
    specs = with_draws(catalogue)
    changes = {f"nodes.sample.inputs.{name}": value for name, value in inputs.items()}

    problems = resolve(parse_document(picture.changed(changes)), specs, files).problems

    assert [(problem.code, problem.node, problem.input) for problem in problems] == [(code, "sample", *inputs)]
    assert words in str(problems[0])


def with_draws(catalogue: Any) -> Any:
    absent = PackFailed("mypack", "No module named 'dice'")
    draws = {"mypack.nothing": Nothing, "mypack.raising": Raising, "mypack.absent": absent, "mypack.listed": Listed}
    return type(catalogue)(catalogue.specs, catalogue.steps, catalogue.rules, catalogue.reasons, draws)


def test_what_may_be_a_file_has_to_be_there(catalogue: Any, files: Any, picture: Any) -> None:
    draw = {"draw": "choice", "of": ["emoji-tiny.safetensors", "other.safetensors"]}

    problems = resolve(parse_document(picture.changed({"nodes.load.inputs.checkpoint": draw})), catalogue, files).errors

    assert [problem.code for problem in problems] == ["file.missing"]
    assert 'may give "other.safetensors"' in str(problems[0])


def test_a_checked_document_says_which_inputs_are_drawn(catalogue: Any, files: Any, picture: Any) -> None:
    data = picture.changed({"nodes.sample.inputs.seed": RANDOM, "nodes.sample.inputs.steps": 3})

    found = resolve(parse_document(data), catalogue, files, draws=Source())

    assert found.drawn == {"sample": ("seed",)}
    assert found.graph is not None
    assert found.graph.nodes[found.graph.index["sample"]].literals["seed"] == 0


def test_a_document_is_drawn_once_everywhere(catalogue: Any) -> None:
    inner = document({"s": sample(seed={"draw": "counter", "name": "inner"}, steps=20)}).tree["nodes"]
    drawn = draw_all(
        document(
            {
                "a": sample(seed=RANDOM, steps=20, model={"link": "l.model"}),
                "n": {"type": "Numbers", "inputs": {"values": [1, {"draw": "counter", "name": "n"}]}},
                "r": {"type": "Stack", "inputs": {"rows": [{"file": {"draw": "time"}, "deep": [[RANDOM]]}]}},
                "o": {"type": "Options", "inputs": {"anything": {"value": RANDOM}, "either": [{"value": RANDOM}]}},
                "use": {"type": "graph:g", "inputs": {"seed": {"draw": "choice", "of": [5]}}},
                "bare": {"type": "Whole"},
            },
            graphs={"g": {"nodes": inner}},
        ),
        catalogue,
        Source(),
    )

    nodes, values = drawn.document.nodes, drawn.values
    assert list(values) == [
        "a.seed", "n.values[1]", "r.rows[0].file", "r.rows[0].deep[0][0]", "use.seed", "graph:g/s.seed"
    ]  # fmt: skip
    assert nodes["a"].inputs == {"seed": values["a.seed"], "steps": 20, "model": {"link": "l.model"}}
    assert nodes["n"].inputs == {"values": [1, 1]}
    assert nodes["r"].inputs == {"rows": [{"file": "2026-11-20", "deep": [[values["r.rows[0].deep[0][0]"]]]}]}
    assert nodes["o"].inputs == {"anything": {"value": RANDOM}, "either": [{"value": RANDOM}]}
    assert nodes["use"].inputs == {"seed": 5}
    assert drawn.document.graphs["g"].nodes["s"].inputs == {"seed": 2, "steps": 20}


def test_a_document_without_draws_stays_the_one_it_is(catalogue: Any) -> None:
    plain = document({"a": sample(seed=3)})

    assert draw_all(plain, catalogue, Source()).document is plain


def test_objects_that_are_drawn_are_written_as_literals(catalogue: Any) -> None:
    of: Any = [{"a": 1}]
    drawn = draw_all(
        document(
            {
                "o": {"type": "Options", "inputs": {"table": {"draw": "choice", "of": of}}},
                "l": {"type": "Options", "inputs": {"anything": {"draw": "mypack.listed", "of": [of]}}},
                "p": {"type": "Numbers", "inputs": {"values": {"draw": "mypack.listed", "of": [1, 2]}}},
            }
        ),
        with_draws(catalogue),
        Source(),
    ).document

    assert drawn.nodes["o"].inputs == {"table": {"value": {"a": 1}}}
    assert drawn.nodes["l"].inputs == {"anything": {"value": [[{"a": 1}]]}}
    assert drawn.nodes["p"].inputs == {"values": [1, 2]}


def test_what_cannot_be_drawn_is_left_for_the_check(catalogue: Any) -> None:
    failing = {"draw": "mypack.raising"}
    plain = document({"a": sample(seed=failing), "b": sample(seed={"draw": "dice"})})

    assert draw_all(plain, with_draws(catalogue), Source()).document is plain
    with pytest.raises(Unfit, match=r"mypack.raising failed") as raised:
        DrawTrial(with_draws(catalogue), Source()).samples({"draw": "mypack.raising"})
    assert raised.value.hint == "ZeroDivisionError: no dice"


def test_a_setting_is_drawn_once_however_many_inputs_it_feeds(catalogue: Any) -> None:
    source = Source()

    found = draw_settings({"seed": {"draw": "counter", "name": "n"}, "steps": 3, "table": {"a": 1}}, catalogue, source)

    assert found == {"seed": 1}
    assert source.asked == ["n"]


@pytest.mark.parametrize(
    ("draw", "codes"),
    [
        ({"draw": "random", "max": 9}, ["number.range"]),
        ({"draw": "choice", "of": [1, 5]}, []),
        ({"draw": "choice", "of": [7, 8]}, ["number.range"]),
        ({"draw": "choice", "of": [True]}, ["literal.type"]),
        ({"draw": "dice"}, ["draw.unknown"]),
    ],
)
def test_a_draw_that_is_given_is_held_against_the_range_of_the_interface(
    draw: Any, codes: list[str], catalogue: Any, files: Any, picture: Any
) -> None:
    interface = {"inputs": {"seed": {"to": ["sample.seed"], "range": {"le": 5}}}}
    data = picture.changed({"interface": interface, "nodes.sample.inputs.seed": 0})

    problems = resolve(parse_document(data), catalogue, files, settings={"seed": draw}).problems

    assert [problem.code for problem in problems if problem.severity == "error"] == codes
    if codes == ["number.range"]:
        assert "the draw may give" in str(problems[0])
        assert 'of the interface input "seed"' in str(problems[0])


def test_a_place_for_state_that_cannot_be_used_is_an_error_of_its_own(catalogue: Any) -> None:
    class ReadOnly(Source):
        def count(self, name: str, start: int, step: int, /) -> int:
            raise UsageError("the home is read-only")

    with pytest.raises(UsageError, match="read-only"):
        draw_all(document({"a": sample(seed={"draw": "counter", "name": "n"})}), catalogue, ReadOnly())


@pytest.mark.parametrize(
    ("value", "is_there"),
    [
        (1, False),
        ({"draw": "random"}, True),
        ([1, [{"draw": "random"}]], True),
        ([{"name": "a", "content": {"draw": "random"}}], True),
        ({"value": {"draw": "random"}}, False),
        ([{"value": {"draw": "random"}}], False),
        ({"link": "load.latent"}, False),
    ],
)
def test_a_document_says_whether_there_is_a_draw_anywhere(value: Any, is_there: bool) -> None:
    holder = {"a": {"type": "x.Y", "inputs": {"number": value}}}
    for parts in ({"nodes": holder}, {"nodes": {}, "graphs": {"body": {"nodes": holder}}}):
        assert has_draw(Document.from_tree({"nodeflow": 1, **parts})) is is_there
