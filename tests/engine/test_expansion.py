"""Expanders: what they record runs under the keys of the same graph drawn by hand."""

from collections.abc import Collection, Mapping
from typing import Any

import pytest

from nodeflow.core.spec import Form, Kind
from nodeflow.engine.events import Status
from nodeflow.engine.expansion import DEEPEST
from nodeflow.engine.runtime import Cancel, Constant, Expansion


class Recorder:
    """Records an expansion with the drawing tools of the tests."""

    def __init__(self, bench: Any, linked: Collection[str]) -> None:
        self.drawing = bench.draw()
        argument = bench.node(lambda: None, id="argument")
        self.places = {name: self.drawing.add(f"argument-{name}", argument) for name in linked}

    def result(self, **outputs: Any) -> Expansion:
        graph = self.drawing.graph()
        return Expansion(
            graph,
            {graph.index[f"argument-{name}"]: name for name in self.places},
            {
                name: value if isinstance(value, Constant) else (graph.index[value.node], value.output)
                for name, value in outputs.items()
            },
        )


def repeat(bench: Any) -> Any:
    """Adds ``by`` to ``value`` ``times`` times."""
    add = bench.node(lambda value, by: value + by, id="Add")

    def expand(values: Mapping[str, Any], linked: Collection[str]) -> Expansion:
        recorder = Recorder(bench, linked)
        link = recorder.places.get("value", values.get("value"))
        for number in range(values["times"]):
            link = recorder.drawing.add(f"add{number}", add, value=link, by=values.get("by", 1))
        return recorder.result(out=link if not isinstance(link, int) else Constant(link))

    bench.expansions["Repeat"] = expand
    return bench.node(lambda value, times, by=1: None, id="Repeat", form=Form.EXPANDER, lazy=("value",))


def repeated(bench: Any, times: Any, start: int = 1) -> Any:
    drawing = bench.draw()
    number = bench.node(lambda value: value, id="Number")
    below = bench.node(lambda value: value * 100, id="Below")
    if callable(times):
        times = drawing.add("times", bench.node(times, id="Times"))
    loop = drawing.add("loop", repeat(bench), value=drawing.add("start", number, value=start), times=times)
    drawing.output("result", drawing.add("below", below, value=loop))
    return drawing


def flat(bench: Any, times: int) -> Any:
    drawing = bench.draw()
    number = bench.node(lambda value: value, id="Number")
    below = bench.node(lambda value: value * 100, id="Below")
    add = bench.node(lambda value, by: value + by, id="Add")
    link = drawing.add("start", number, value=1)
    for step in range(times):
        link = drawing.add(f"step{step}", add, value=link, by=1)
    drawing.output("result", drawing.add("below", below, value=link))
    return drawing


def test_an_expander_and_the_flat_graph_have_the_same_keys(bench: Any) -> None:
    with bench.engine() as engine:
        result = bench.run(repeated(bench, 3), engine)
        assert result.values == {("below", "out"): 400}
        assert bench.counts() == {"Repeat": 1, "Number": 1, "Add": 3, "Below": 1}
        assert result.status["loop/add1"] is Status.RAN
        assert bench.run(flat(bench, 3), engine).values == {("below", "out"): 400}
        assert bench.counts() == {}
        bench.run(repeated(bench, 4), engine)
        assert bench.counts() == {"Repeat": 1, "Add": 1, "Below": 1}


def test_a_computed_count_is_waited_for(bench: Any) -> None:
    with bench.engine() as engine:
        assert bench.run(repeated(bench, lambda: 2), engine).values == {("below", "out"): 300}
        assert bench.counts() == {"Times": 1, "Repeat": 1, "Number": 1, "Add": 2, "Below": 1}
        bench.run(repeated(bench, lambda: 2), engine)
        assert bench.counts() == {"Repeat": 1}


def test_an_expander_may_hand_its_input_on(bench: Any) -> None:
    assert bench.run(repeated(bench, 0)).values == {("below", "out"): 100}


def test_an_expander_may_return_a_literal_and_the_key_is_that_of_the_literal(bench: Any) -> None:
    def drawing_with(value: Any) -> Any:
        drawing = bench.draw()
        below = bench.node(lambda value: value * 100, id="Below")
        drawing.output("result", drawing.add("below", below, value=value(drawing)))
        return drawing

    def by_expander(drawing: Any) -> Any:
        return drawing.add("loop", repeat(bench), value=5, times=0)

    with bench.engine() as engine:
        assert bench.run(drawing_with(by_expander), engine).values == {("below", "out"): 500}
        bench.counts()
        assert bench.run(drawing_with(lambda _: 5), engine).values == {("below", "out"): 500}
    assert bench.counts() == {}


def test_the_expander_itself_can_be_what_is_wanted(bench: Any) -> None:
    for times, expected in ((2, 3), (lambda: 2, 3), (0, 1)):
        drawing = repeated(bench, times)
        place = (drawing.index["loop"], "out")
        assert bench.run(drawing, targets=[place]).values == {("loop", "out"): expected}
        assert bench.run(drawing, targets=[(place[0], "")]).values == {}
    drawing = bench.draw()
    drawing.output("result", drawing.add("loop", repeat(bench), value=5, times=0))
    assert bench.run(drawing).values == {("loop", "out"): 5}


def test_what_is_neither_a_link_nor_a_literal_is_refused(bench: Any) -> None:
    bench.expansions["Odd"] = lambda values, linked: Recorder(bench, linked).result(out=Constant(object()))
    drawing = bench.draw()
    odd = drawing.add("odd", bench.node(lambda: None, id="Odd", form=Form.EXPANDER))
    drawing.output("result", drawing.add("below", bench.node(lambda value: value, id="Below"), value=odd))
    (failure,) = bench.run(drawing).failures
    assert "neither a link nor a literal" in failure.message


def test_a_forgotten_output_is_named(bench: Any) -> None:
    bench.expansions["Odd"] = lambda values, linked: Recorder(bench, linked).result()
    drawing = bench.draw()
    drawing.add("odd", bench.node(lambda: None, id="Odd", form=Form.EXPANDER))
    (failure,) = bench.run(drawing).failures
    assert (failure.node, failure.message) == ("odd", "recorded nothing for its output out")


def test_an_expander_that_raises_fails_alone(bench: Any) -> None:
    def fails(values: Any, linked: Any) -> Expansion:
        raise ValueError("no")

    def one(times: Any) -> Any:
        drawing = repeated(bench, times)
        bench.expansions["Repeat"] = fails
        drawing.output("other", drawing.add("other", bench.node(lambda: 1, id="Other")))
        return drawing

    for times in (2, lambda: 2):
        result = bench.run(one(times))
        assert [failure.node for failure in result.failures] == ["loop"]
        assert result.values == {("other", "out"): 1}
        assert result.status["below"] is Status.SKIPPED


def nesting(bench: Any) -> Any:
    leaf = bench.node(lambda value: value, id="Leaf")
    spec = bench.node(lambda levels: None, id="Nest", form=Form.EXPANDER)

    def nest(values: Mapping[str, Any], linked: Collection[str]) -> Expansion:
        recorder = Recorder(bench, linked)
        levels = values["levels"]
        if levels:
            return recorder.result(out=recorder.drawing.add("inner", spec, levels=levels - 1))
        return recorder.result(out=recorder.drawing.add("leaf", leaf, value="end"))

    bench.expansions["Nest"] = nest
    return spec


def test_expanders_can_be_nested(bench: Any) -> None:
    drawing = bench.draw()
    below = bench.node(lambda value: value, id="Below")
    nested = drawing.add("nest", nesting(bench), levels=10)
    drawing.output("result", drawing.add("below", below, value=nested))
    assert bench.run(drawing).values == {("below", "out"): "end"}


def test_an_expander_without_end_is_stopped(bench: Any) -> None:
    drawing = bench.draw()
    drawing.output("result", drawing.add("nest", nesting(bench), levels=DEEPEST + 1))
    result = bench.run(drawing)
    (failure,) = result.failures
    assert "expands without end" in failure.message
    assert not result.values


@pytest.mark.parametrize("ended_by", ["depth", "cancel"])
def test_expanders_that_double_without_end_are_stopped_all_at_once(bench: Any, ended_by: str) -> None:
    spec = bench.node(lambda level: None, id="Double", form=Form.EXPANDER)
    both = bench.node(lambda one, other: (one, other), id="Both")
    cancel, calls = Cancel(), 0

    def double(values: Mapping[str, Any], linked: Collection[str]) -> Expansion:
        nonlocal calls
        calls += 1
        if ended_by == "cancel" and calls == 10:
            cancel.request()
        recorder = Recorder(bench, linked)
        inner = [recorder.drawing.add(name, spec, level=values["level"] + 1) for name in ("one", "other")]
        return recorder.result(out=recorder.drawing.add("both", both, one=inner[0], other=inner[1]))

    bench.expansions["Double"] = double
    drawing = bench.draw()
    drawing.output("result", drawing.add("double", spec, level=0))
    result = bench.run(drawing, cancel=cancel)
    assert (calls, len(result.failures), result.cancelled) == {
        "depth": (DEEPEST + 1, 1, False),
        "cancel": (10, 0, True),
    }[ended_by]
    assert not result.values


def test_effects_that_are_recorded_run_too(bench: Any) -> None:
    save = bench.node(lambda value: None, id="Save", kind=Kind.EFFECT, outputs=())

    def expand(values: Mapping[str, Any], linked: Collection[str]) -> Expansion:
        recorder = Recorder(bench, linked)
        recorder.drawing.add("save", save, value=values["count"])
        return recorder.result()

    bench.expansions["Saves"] = expand
    spec = bench.node(lambda count: None, id="Saves", form=Form.EXPANDER, outputs=())
    for computed in (False, True):
        drawing = bench.draw()
        count = drawing.add("count", bench.node(lambda: 3, id="Count")) if computed else 3
        drawing.add("saves", spec, count=count)
        result = bench.run(drawing)
        assert result.status["saves/save"] is Status.RAN
        assert bench.counts()["Save"] == 1


def test_an_effect_below_an_expander_runs(bench: Any) -> None:
    save = bench.node(lambda value: None, id="Save", kind=Kind.EFFECT, outputs=())
    for times in (2, lambda: 2, 0):
        drawing = bench.draw()
        if callable(times):
            times = drawing.add("times", bench.node(times, id="Times"))
        loop = drawing.add("loop", repeat(bench), value=1, times=times)
        below = drawing.add("below", bench.node(lambda value: value, id="Below"), value=loop)
        drawing.add("save", save, value=below)
        assert bench.run(drawing).status["save"] is Status.RAN
        assert bench.counts()["Save"] == 1


def test_a_switch_takes_what_an_expander_makes(bench: Any) -> None:
    async def switch(on: bool, yes: Any, no: Any) -> Any:
        return await (yes if on else no)

    node = bench.node(switch, id="Switch", lazy=("yes", "no"))
    below = bench.node(lambda value: value, id="Below")
    for times in (2, lambda: 2, 0):
        drawing = bench.draw()
        if callable(times):
            count = drawing.add("times", bench.node(times, id="Times"))
        else:
            count = times
        loop = drawing.add("loop", repeat(bench), value=1, times=count)
        chosen = drawing.add("switch", node, on=True, yes=loop, no=7)
        drawing.output("result", drawing.add("below", below, value=chosen))
        with bench.engine() as engine:
            for _ in range(2):
                expected = 1 if times == 0 else 3
                assert bench.run(drawing, engine).values == {("below", "out"): expected}


def test_what_hangs_below_a_failed_computed_count_is_skipped(bench: Any) -> None:
    def broken() -> int:
        raise ValueError("broken")

    result = bench.run(repeated(bench, broken))
    assert [failure.node for failure in result.failures] == ["times"]
    assert result.status["below"] is Status.SKIPPED


def test_what_is_recorded_and_used_by_nobody_is_not_run_whatever_it_waits_for(bench: Any) -> None:
    async def later(value: Any) -> Any:
        return await value

    def expand(values: Mapping[str, Any], linked: Collection[str]) -> Expansion:
        recorder = Recorder(bench, linked)
        lazy = bench.node(later, id="Later", lazy=("value",))
        pair = bench.node(lambda a, b: (a, b), id="Pair")
        a, b = (recorder.drawing.add(name, lazy, value=recorder.places["value"]) for name in "ab")
        recorder.drawing.add("unused", pair, a=a, b=b)
        return recorder.result(a=a, b=b)

    bench.expansions["Loop"] = expand
    drawing = bench.draw()
    number = drawing.add("number", bench.node(lambda: 3, id="Number"))
    loop = bench.node(lambda value: None, id="Loop", form=Form.EXPANDER, lazy=("value",), outputs=("a", "b"))
    drawing.output("a", drawing.add("loop", loop, value=number))
    drawing.output("b", type(number)("loop", "b"))
    result = bench.run(drawing)
    assert result.values == {("loop", "a"): 3, ("loop", "b"): 3}
    assert "Pair" not in bench.counts()
