"""Expanders that are given lists: each item is expanded by itself, and the outputs become lists."""

from collections.abc import Mapping
from typing import Any

import pytest

from nodeflow.core.blocked import Blocked
from nodeflow.core.spec import Form, Kind, Scope
from nodeflow.engine.events import Status
from nodeflow.engine.expansion import DEEPEST
from nodeflow.engine.explain import explain
from nodeflow.engine.inside import Nested, put_inside
from nodeflow.engine.runtime import Constant, Expansion
from tests.engine.conftest import Bench, Drawing, Link
from tests.engine.test_expansion import Recorder


def repeat(bench: Bench, lazy: tuple[str, ...] = ("value",)) -> Any:
    """Adds ``by`` to ``value`` ``times`` times."""
    add = bench.node(lambda value, by: value + by, id="Add")

    def expand(values: Mapping[str, Any], linked: Nested) -> Expansion:
        recorder = Recorder(bench, linked)
        link = recorder.places.get("value", values.get("value"))
        for number in range(values["times"]):
            link = recorder.drawing.add(f"add{number}", add, value=link, by=values["by"])
        return recorder.result(out=link if isinstance(link, Link) else Constant(link))

    bench.expansions["Repeat"] = expand
    return bench.node(lambda value, times, by=1: None, id="Repeat", form=Form.EXPANDER, lazy=lazy)


def given(bench: Bench, drawing: Drawing, id: str, value: Any) -> Link:
    return drawing.add(id, bench.node(lambda value: value, id="Given"), value=value)


def mapped(bench: Bench, value: Any, times: Any, depths: dict[str, int], depth: int = 1, **options: Any) -> Drawing:
    drawing = bench.draw()
    inputs = {
        name: given(bench, drawing, name, item) if isinstance(item, list | Blocked) else item
        for name, item in (("value", value), ("times", times))
    }
    loop = drawing.add("loop", repeat(bench, **options), depth=depth, depths=depths, **inputs)
    drawing.output("result", loop)
    return drawing


def test_each_item_is_expanded_by_itself_and_outputs_are_lists(bench: Bench) -> None:
    result = bench.run(mapped(bench, [10, 20, 30], 2, {"value": 1}))
    assert result.values == {("loop", "out"): [12, 22, 32]}
    assert bench.counts() == {"Given": 1, "Repeat": 3, "Add": 6}
    assert result.status["loop[1]/add0"] is Status.RAN
    assert not result.failures


def test_inputs_that_are_values_are_spread_too(bench: Bench) -> None:
    assert bench.run(mapped(bench, 10, [0, 1, 3], {"times": 1})).values == {("loop", "out"): [10, 11, 13]}
    assert bench.run(mapped(bench, [10, 20], [1, 2], {"value": 1, "times": 1})).values == {("loop", "out"): [11, 22]}
    eager = mapped(bench, [10, 20], [0, 2], {"value": 1, "times": 1}, lazy=())
    assert bench.run(eager).values == {("loop", "out"): [10, 22]}


def test_lists_of_lists_give_lists_of_lists_and_an_empty_list_an_empty_one(bench: Bench) -> None:
    drawing = mapped(bench, [[1, 2], [], [3]], [1, 2, 3], {"value": 2, "times": 1}, depth=2)
    result = bench.run(drawing)
    assert result.values == {("loop", "out"): [[2, 3], [], [6]]}
    assert "loop[2][0]/add2" in result.status
    assert bench.run(mapped(bench, [], 2, {"value": 1})).values == {("loop", "out"): []}


def test_a_shorter_list_repeats_its_last_item_with_a_warning(bench: Bench) -> None:
    drawing = mapped(bench, [10, 20], [1, 1, 1], {"value": 1, "times": 1})
    result = bench.run(drawing)
    assert result.values == {("loop", "out"): [11, 21, 21]}
    assert [warning.message for warning in result.warnings] == [
        "lists of different lengths: value repeats its last item"
    ]
    assert bench.counts()["Add"] == 2, "the same item twice is the same work"
    (failure,) = bench.run(drawing, strict=True).failures
    assert failure.message == "lists of different lengths: value repeats its last item"


def test_what_is_no_list_is_its_own_only_item(bench: Bench) -> None:
    drawing = bench.draw()
    value = drawing.add("value", bench.node(lambda: 5, id="Five"))
    times = given(bench, drawing, "times", [1, 2])
    inputs = {"value": value, "times": times}
    drawing.output("result", drawing.add("loop", repeat(bench), depth=1, depths={"value": 1, "times": 1}, **inputs))
    assert bench.run(drawing).values == {("loop", "out"): [6, 7]}


def test_what_is_recorded_is_remembered_and_so_is_the_list(bench: Bench) -> None:
    with bench.engine() as engine:
        bench.run(mapped(bench, [10, 20], 2, {"value": 1}), engine)
        bench.counts()
        drawing = mapped(bench, [10, 20], 2, {"value": 1})
        drawing.output("below", drawing.add("below", bench.node(lambda v: sum(v), id="Sum"), v=Link("loop", "out")))
        assert bench.run(drawing, engine).values[("below", "out")] == 34
        assert bench.counts() == {"Repeat": 2, "Sum": 1}
        bench.run(drawing, engine)
        assert bench.counts() == {"Repeat": 2}


def test_an_item_that_cannot_be_expanded_fails_the_expander(bench: Bench) -> None:
    result = bench.run(mapped(bench, 1, [1, "many"], {"times": 1}))
    (failure,) = result.failures
    assert failure.node == "loop"
    assert not result.values


def test_a_node_that_fails_for_one_item_takes_the_list_with_it_and_nothing_else(bench: Bench) -> None:
    result = bench.run(mapped(bench, [1, "text"], 1, {"value": 1}))
    (failure,) = result.failures
    assert failure.node == "loop[1]/add0"
    assert result.status["loop[0]/add0"] is Status.RAN
    assert not result.values


@pytest.mark.parametrize("lazy", [(), ("value",)], ids=["given the value", "given a reference"])
def test_a_blocked_item_is_held_back_alone(bench: Bench, lazy: tuple[str, ...]) -> None:
    drawing = bench.draw()
    many = drawing.add("many", bench.node(lambda: [1, Blocked("no"), 3], id="Many"))
    drawing.output(
        "result", drawing.add("loop", repeat(bench, lazy), depth=1, depths={"value": 1}, value=many, times=1)
    )
    double = bench.node(lambda value: value * 2, id="Double")
    doubled = drawing.add("double", double, depth=1, depths={"value": 1}, value=Link("loop", "out"))
    drawing.output("doubled", doubled)
    result = bench.run(drawing)
    assert result.values == {("loop", "out"): [2, 4], ("double", "out"): [4, 8]}
    assert set(result.withheld.values()) == {"1 of 3 items: no"}
    assert bench.counts()["Repeat"] == (3 if lazy else 2)


def test_a_blocked_list_holds_the_expander_back(bench: Bench) -> None:
    drawing = bench.draw()
    many = drawing.add("many", bench.node(lambda: Blocked("none"), id="Many"))
    drawing.output("result", drawing.add("loop", repeat(bench), depth=1, depths={"value": 1}, value=many, times=1))
    result = bench.run(drawing)
    assert result.withheld == {("loop", "out"): "none"}
    assert "Repeat" not in bench.counts()


def test_links_inside_a_list_are_spread_too(bench: Bench) -> None:
    add = bench.node(lambda values: sum(values), id="Sum")

    def expand(values: Mapping[str, Any], linked: Nested) -> Expansion:
        recorder = Recorder(bench, linked)
        whole = put_inside({**values, **recorder.places}, linked)
        return recorder.result(out=recorder.drawing.add("sum", add, values=whole["values"]))

    bench.expansions["SumOf"] = expand
    for lazy in ((), ("values",)):
        drawing = bench.draw()
        many = given(bench, drawing, "many", [1, 2])
        node = bench.node(lambda values: None, id="SumOf", form=Form.EXPANDER, lazy=lazy)
        drawing.output("sums", drawing.add("loop", node, depth=1, depths={"values[1]": 1}, values=[10, many]))
        assert bench.run(drawing).values == {("loop", "out"): [11, 12]}


def test_several_outputs_are_several_lists_and_effects_of_every_item_run(bench: Bench) -> None:
    save = bench.node(lambda value: None, id="Save", kind=Kind.EFFECT, outputs=())

    def expand(values: Mapping[str, Any], linked: Nested) -> Expansion:
        recorder = Recorder(bench, linked)
        recorder.drawing.add("save", save, value=values["value"])
        return recorder.result(same=Constant(values["value"]), twice=Constant([values["value"]] * 2))

    bench.expansions["Both"] = expand
    drawing = bench.draw()
    node = bench.node(lambda value: None, id="Both", form=Form.EXPANDER, outputs=("same", "twice"))
    drawing.add("both", node, depth=1, depths={"value": 1}, value=given(bench, drawing, "many", [1, 2]))
    drawing.output("same", Link("both", "same"))
    drawing.output("twice", Link("both", "twice"))
    result = bench.run(drawing)
    assert result.values == {("both", "same"): [1, 2], ("both", "twice"): [[1, 1], [2, 2]]}
    assert bench.counts()["Save"] == 2


def test_an_expander_of_effects_alone_is_mapped_as_well(bench: Bench) -> None:
    save = bench.node(lambda value: None, id="Save", kind=Kind.EFFECT, outputs=())

    def expand(values: Mapping[str, Any], linked: Nested) -> Expansion:
        recorder = Recorder(bench, linked)
        recorder.drawing.add("save", save, value=recorder.places["value"])
        return recorder.result()

    bench.expansions["SaveEach"] = expand
    drawing = bench.draw()
    node = bench.node(lambda value: None, id="SaveEach", form=Form.EXPANDER, outputs=(), lazy=("value",))
    drawing.add("each", node, depth=1, depths={"value": 1}, value=given(bench, drawing, "many", [1, 2, 3]))
    assert not bench.run(drawing).failures
    assert bench.counts()["Save"] == 3


def test_an_expander_inside_one_that_is_mapped(bench: Bench) -> None:
    inner = repeat(bench)

    def expand(values: Mapping[str, Any], linked: Nested) -> Expansion:
        recorder = Recorder(bench, linked)
        return recorder.result(out=recorder.drawing.add("inner", inner, value=recorder.places["value"], times=2))

    bench.expansions["Outer"] = expand
    drawing = bench.draw()
    node = bench.node(lambda value: None, id="Outer", form=Form.EXPANDER, lazy=("value",))
    drawing.output(
        "out", drawing.add("outer", node, depth=1, depths={"value": 1}, value=given(bench, drawing, "m", [1, 5]))
    )
    result = bench.run(drawing)
    assert result.values == {("outer", "out"): [3, 7]}
    assert "outer[1]/inner/add1" in result.status


def test_mapped_expanders_inside_each_other_without_end_are_stopped(bench: Bench) -> None:
    def expand(values: Mapping[str, Any], linked: Nested) -> Expansion:
        recorder = Recorder(bench, linked)
        pair = recorder.drawing.add(
            "pair", bench.node(lambda value: [value], id="Pair"), value=recorder.places["value"]
        )
        loop = recorder.drawing.add("loop", node, depth=1, depths={"value": 1}, value=pair)
        return recorder.result(out=loop)

    bench.expansions["Endless"] = expand
    node = bench.node(lambda value: None, id="Endless", form=Form.EXPANDER, lazy=("value",))
    drawing = bench.draw()
    drawing.output(
        "out", drawing.add("loop", node, depth=1, depths={"value": 1}, value=given(bench, drawing, "m", [1]))
    )
    (failure,) = bench.run(drawing).failures
    assert "expands without end" in failure.message
    assert failure.node.count("/") == DEEPEST


def test_an_external_node_in_each_item_has_a_token_of_its_own(bench: Bench) -> None:
    ask = bench.node(lambda value, run: run.token, id="Ask", kind=Kind.EXTERNAL)

    def expand(values: Mapping[str, Any], linked: Nested) -> Expansion:
        recorder = Recorder(bench, linked)
        return recorder.result(out=recorder.drawing.add("ask", ask, value=recorder.places["value"]))

    bench.expansions["Each"] = expand
    drawing = bench.draw()
    node = bench.node(lambda value: None, id="Each", form=Form.EXPANDER, lazy=("value",))
    drawing.output(
        "out", drawing.add("each", node, depth=1, depths={"value": 1}, value=given(bench, drawing, "m", [1, 2]))
    )
    first, again = (bench.run(drawing, job="job").values["each", "out"] for _ in range(2))
    assert first == again
    assert len(set(first)) == 2


def test_below_what_is_never_the_same_nothing_is_remembered(bench: Bench) -> None:
    drawing = bench.draw()
    many = bench.node(lambda: [1, 2], id="Many", kind=Kind.EXTERNAL, scope=Scope.RUN)
    loop = drawing.add("loop", repeat(bench), depth=1, depths={"value": 1}, value=drawing.add("many", many), times=1)
    drawing.output("result", loop)
    with bench.engine() as engine:
        for _ in range(2):
            assert bench.run(drawing, engine).values == {("loop", "out"): [2, 3]}
        assert len(engine.memory) == 0


def test_a_list_that_an_expander_gives_as_a_constant_is_spread(bench: Bench) -> None:
    bench.expansions["Numbers"] = lambda values, linked: Recorder(bench, linked).result(out=Constant([1, 2, 3]))
    drawing = bench.draw()
    numbers = drawing.add("numbers", bench.node(lambda: None, id="Numbers", form=Form.EXPANDER))
    double = bench.node(lambda value: value * 2, id="Double")
    drawing.output("doubled", drawing.add("double", double, depth=1, depths={"value": 1}, value=numbers))
    with bench.engine() as engine:
        assert bench.run(drawing, engine).values == {("double", "out"): [2, 4, 6]}
        assert bench.counts()["Double"] == 3
        bench.run(drawing, engine)
        assert "Double" not in bench.counts()


def test_explain_leaves_open_what_a_mapped_expander_will_record(bench: Bench) -> None:
    drawing = mapped(bench, [10, 20], 2, {"value": 1})
    with bench.engine() as engine:
        states = {item.node: item.state.value for item in explain(drawing.graph(), bench, engine.memory, None)}
    assert states == {"value": "run", "loop": "run"}
