"""Lazy inputs: computed when awaited, keyed by what was needed."""

import asyncio
from typing import Any

from nodeflow.core.blocked import Blocked
from nodeflow.core.spec import Kind
from nodeflow.engine.events import Status


async def switch(on: bool, yes: Any, no: Any) -> Any:
    return await (yes if on else no)


def choice(bench: Any, on: Any = True, yes: Any = 1, no: Any = 2) -> Any:
    """left and right feed a switch, and a node hangs below it."""
    drawing = bench.draw()
    left = bench.node(lambda value: value, id="Left")
    right = bench.node(lambda value: value, id="Right")
    below = bench.node(lambda value: value * 10, id="Below")
    node = bench.node(switch, id="Switch", lazy=("yes", "no"))
    if callable(on):
        on = drawing.add("on", bench.node(on, id="On"))
    chosen = drawing.add(
        "switch", node, on=on, yes=drawing.add("left", left, value=yes), no=drawing.add("right", right, value=no)
    )
    drawing.output("result", drawing.add("below", below, value=chosen))
    return drawing


def test_an_untaken_branch_never_runs(bench: Any) -> None:
    result = bench.run(choice(bench))
    assert result.values == {("below", "out"): 10}
    assert bench.counts() == {"Switch": 1, "Left": 1, "Below": 1}
    assert result.status["right"] is Status.SKIPPED


def test_below_a_known_choice_nothing_runs_again_not_even_the_switch(bench: Any) -> None:
    with bench.engine() as engine:
        bench.run(choice(bench), engine)
        bench.counts()
        assert bench.run(choice(bench), engine).values == {("below", "out"): 10}
    assert bench.counts() == {}


def test_changing_the_untaken_branch_keeps_what_is_below(bench: Any) -> None:
    with bench.engine() as engine:
        bench.run(choice(bench), engine)
        bench.counts()
        assert bench.run(choice(bench, no=77), engine).values == {("below", "out"): 10}
    assert bench.counts() == {}


def test_changing_the_taken_branch_runs_it_and_what_is_below(bench: Any) -> None:
    with bench.engine() as engine:
        bench.run(choice(bench), engine)
        bench.counts()
        assert bench.run(choice(bench, yes=5), engine).values == {("below", "out"): 50}
    assert bench.counts() == {"Switch": 1, "Left": 1, "Below": 1}


def test_a_computed_condition_decides_at_run_time(bench: Any) -> None:
    with bench.engine() as engine:
        assert bench.run(choice(bench, on=lambda: False), engine).values == {("below", "out"): 20}
        assert bench.counts() == {"On": 1, "Switch": 1, "Right": 1, "Below": 1}
        bench.run(choice(bench, on=lambda: False), engine)
        assert bench.counts() == {}


def test_a_choice_that_is_known_but_whose_value_was_dropped_is_made_again(bench: Any) -> None:
    with bench.engine() as engine:
        drawing = choice(bench)
        bench.run(drawing, engine)
        bench.counts()
        result = bench.run(drawing, engine, targets=[(drawing.index["switch"], "out")])
        assert result.values == {("switch", "out"): 1}
        assert bench.counts() == {"Switch": 1}


def test_a_literal_is_a_lazy_input_too(bench: Any) -> None:
    drawing = bench.draw()
    node = bench.node(switch, id="Switch", lazy=("yes", "no"))
    drawing.output("result", drawing.add("switch", node, on=False, yes=1, no=2))
    assert bench.run(drawing).values == {("switch", "out"): 2}


def test_several_inputs_can_be_awaited_together_and_twice(bench: Any) -> None:
    async def both(a: Any, b: Any) -> Any:
        first, second = await asyncio.gather(a, b)
        return first + second + await a

    drawing = bench.draw()
    one = bench.node(lambda value: value, id="One")
    node = bench.node(both, id="Both", lazy=("a", "b"))
    below = bench.node(lambda value: value, id="Below")
    both_added = drawing.add("both", node, a=drawing.add("x", one, value=1), b=drawing.add("y", one, value=10))
    drawing.output("result", drawing.add("below", below, value=both_added))
    with bench.engine() as engine:
        for _ in range(2):
            assert bench.run(drawing, engine).values == {("below", "out"): 12}
        assert bench.counts() == {"Both": 1, "One": 2, "Below": 1}


def test_switches_can_stand_behind_each_other(bench: Any) -> None:
    def nested(deep: bool) -> Any:
        drawing = bench.draw()
        leaf = bench.node(lambda value: value, id="Leaf")
        node = bench.node(switch, id="Switch", lazy=("yes", "no"))
        below = bench.node(lambda value: value, id="Below")
        leaves = [drawing.add(f"leaf{number}", leaf, value=number) for number in range(3)]
        inner = drawing.add("inner", node, on=deep, yes=leaves[0], no=leaves[1])
        between = drawing.add("between", below, value=inner)
        outer = drawing.add("outer", node, on=True, yes=between, no=leaves[2])
        drawing.output("result", drawing.add("last", below, value=outer))
        return drawing

    with bench.engine() as engine:
        assert bench.run(nested(True), engine).values == {("last", "out"): 0}
        assert bench.run(nested(False), engine).values == {("last", "out"): 1}
        bench.counts()
        assert bench.run(nested(True), engine).values == {("last", "out"): 0}
    assert bench.counts() == {}


def test_a_switch_can_decide_for_another(bench: Any) -> None:
    drawing = bench.draw()
    truth = bench.node(lambda: True, id="Truth")
    lie = bench.node(lambda: False, id="Lie")
    leaf = bench.node(lambda value: value, id="Leaf")
    node = bench.node(switch, id="Switch", lazy=("yes", "no"))
    first = drawing.add("first", node, on=False, yes=drawing.add("truth", truth), no=drawing.add("lie", lie))
    second = drawing.add(
        "second", node, on=first, yes=drawing.add("a", leaf, value=1), no=drawing.add("b", leaf, value=2)
    )
    drawing.output("result", drawing.add("below", leaf, value=second))
    with bench.engine() as engine:
        assert bench.run(drawing, engine).values == {("below", "out"): 2}
        assert bench.counts() == {"Switch": 2, "Lie": 1, "Leaf": 2}
        assert bench.run(drawing, engine).values == {("below", "out"): 2}
        assert bench.counts() == {}


def test_what_is_awaited_and_fails_is_the_failure_of_its_own_node_only(bench: Any) -> None:
    def broken(value: int) -> int:
        raise ValueError("broken")

    drawing = choice(bench)
    bench.node(broken, id="Left")
    result = bench.run(drawing)
    assert [failure.node for failure in result.failures] == ["left"]
    assert result.status["switch"] is Status.SKIPPED
    assert result.status["below"] is Status.SKIPPED


def test_what_failed_before_it_was_awaited_is_not_waited_for(bench: Any) -> None:
    def broken(value: int) -> int:
        raise ValueError("broken")

    drawing = choice(bench, on=lambda: True)
    bench.node(broken, id="Left")
    drawing.outputs["early"] = (drawing.index["left"], "out")
    result = bench.run(drawing)
    assert [failure.node for failure in result.failures] == ["left"]


def test_a_node_may_answer_a_failure_but_that_is_not_remembered(bench: Any) -> None:
    async def rescue(value: Any) -> Any:
        try:
            return await value
        except Exception:
            return "rescued"

    def broken() -> int:
        raise ValueError("broken")

    drawing = bench.draw()
    node = bench.node(rescue, id="Rescue", lazy=("value",))
    below = bench.node(lambda value: value, id="Below")
    rescued = drawing.add("rescue", node, value=drawing.add("broken", bench.node(broken, id="Broken")))
    drawing.output("result", drawing.add("below", below, value=rescued))
    with bench.engine() as engine:
        for _ in range(2):
            result = bench.run(drawing, engine)
            assert result.values == {("below", "out"): "rescued"}
            assert [failure.node for failure in result.failures] == ["broken"]
    assert bench.counts() == {"Rescue": 2, "Broken": 2, "Below": 2}


def test_an_awaited_input_that_is_blocked_blocks_the_switch(bench: Any) -> None:
    drawing = choice(bench)
    bench.node(lambda value: Blocked("shut"), id="Left")
    result = bench.run(drawing)
    assert not result.failures
    assert result.values == {}
    assert result.withheld == {("below", "out"): "shut"}
    assert bench.counts() == {"Switch": 1, "Left": 1}


def test_an_external_lazy_node_is_never_remembered_nor_is_what_is_below(bench: Any) -> None:
    drawing = bench.draw()
    node = bench.node(switch, id="Switch", lazy=("yes", "no"), kind=Kind.EXTERNAL)
    leaf = bench.node(lambda value: value, id="Leaf")
    below = bench.node(lambda value: value, id="Below")
    chosen = drawing.add("switch", node, on=True, yes=drawing.add("leaf", leaf, value=1), no=2)
    drawing.output("result", drawing.add("below", below, value=chosen))
    with bench.engine() as engine:
        for _ in range(2):
            assert bench.run(drawing, engine).values == {("below", "out"): 1}
    assert bench.counts() == {"Switch": 2, "Leaf": 1, "Below": 2}


def test_awaiting_what_will_never_be_the_same_is_not_remembered(bench: Any) -> None:
    drawing = bench.draw()
    clock = bench.node(lambda: 1, id="Clock", kind=Kind.EXTERNAL)
    node = bench.node(switch, id="Switch", lazy=("yes", "no"))
    below = bench.node(lambda value: value, id="Below")
    chosen = drawing.add("switch", node, on=True, yes=drawing.add("clock", clock), no=2)
    drawing.output("result", drawing.add("below", below, value=chosen))
    with bench.engine() as engine:
        for _ in range(2):
            bench.run(drawing, engine)
    assert bench.counts() == {"Switch": 2, "Clock": 2, "Below": 2}


def test_a_switch_mapped_over_conditions_takes_items_of_both_lists(bench: Any) -> None:
    drawing = bench.draw()
    many = bench.node(lambda values: values, id="Many")
    node = bench.node(switch, id="Switch", lazy=("yes", "no"))
    chosen = drawing.add(
        "switch",
        node,
        depth=1,
        depths={"on": 1, "yes": 1},
        on=drawing.add("ons", many, values=[True, False]),
        yes=drawing.add("yeses", many, values=[1, 2]),
        no=drawing.add("no", many, values="never a list"),
    )
    drawing.output("result", chosen)
    assert bench.run(drawing).values == {("switch", "out"): [1, "never a list"]}


def test_a_lazy_input_shared_with_a_planned_node_is_computed_once(bench: Any) -> None:
    drawing = bench.draw()
    leaf = bench.node(lambda value: value, id="Leaf")
    node = bench.node(switch, id="Switch", lazy=("yes", "no"))
    add = bench.node(lambda a, b: a + b, id="Add")
    one = drawing.add("one", leaf, value=1)
    chosen = drawing.add("switch", node, on=True, yes=one, no=2)
    drawing.output("sum", drawing.add("add", add, a=chosen, b=one))
    with bench.engine(budget=0) as engine:
        assert bench.run(drawing, engine).values == {("add", "out"): 2}
    assert bench.counts()["Leaf"] <= 2


def test_a_lazy_node_below_something_that_failed_is_skipped(bench: Any) -> None:
    def broken() -> bool:
        raise ValueError("broken")

    result = bench.run(choice(bench, on=broken))
    assert [failure.node for failure in result.failures] == ["on"]
    assert result.status["below"] is Status.SKIPPED


def test_a_file_that_has_gone_above_a_switch_stops_only_the_branch_that_needs_it(bench: Any) -> None:
    load = bench.node(lambda file: file, id="Load", files=("file",))
    node = bench.node(switch, id="Switch", lazy=("yes", "no"))
    below = bench.node(lambda value: value, id="Below")
    for on, lost in ((True, True), (False, False)):
        drawing = bench.draw()
        missing = drawing.add("load", load, file="gone")
        middle = drawing.add("middle", below, value=missing)
        chosen = drawing.add("switch", node, on=on, yes=middle, no=5)
        drawing.output("result", drawing.add("below", below, value=chosen))
        result = bench.run(drawing)
        assert (("below", "out") not in result.values) is lost
