"""Expanders that go on where they end: loops whose length nobody knows before they have run."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from nodeflow.core.blocked import Blocked
from nodeflow.core.spec import Form, Kind
from nodeflow.engine.events import Status
from nodeflow.engine.expansion import DEEPEST
from nodeflow.engine.identity import MOST_IN_A_ROW
from nodeflow.engine.runtime import Constant, Expansion


def countdown(bench: Any, *, flat: bool = True) -> Any:
    """Takes one away until nothing is left; each turn is recorded when the one before has run."""
    step = bench.node(lambda value: value - 1, id="Step")
    positive = bench.node(lambda value: value > 0, id="Positive")
    argument = bench.node(lambda: None, id="argument")

    def expand(values: Mapping[str, Any], linked: Mapping[str, Any]) -> Expansion:
        drawing = bench.draw()
        places = {name: drawing.add(f"argument-{name}", argument) for name in linked}
        arguments = {drawing.index[f"argument-{name}"]: name for name in linked}
        if not values["again"]:
            return Expansion(drawing.graph(), arguments, {"out": drawing.place(places["value"])})
        turn = values["turn"]
        value = drawing.add(f"step-{turn}", step, value=places["value"])
        again = drawing.add(f"positive-{turn}", positive, value=value)
        rest = drawing.add(f"turns-{turn + 1}", spec, value=value, again=again, turn=turn + 1)
        graph = drawing.graph()
        continuing = [graph.index[f"turns-{turn + 1}"]] if flat else []
        return Expansion(graph, arguments, {"out": drawing.place(rest)}, continuing)

    bench.expansions["Countdown"] = expand
    spec = bench.node(lambda value, again=True, turn=0: None, id="Countdown", form=Form.EXPANDER, lazy=("value",))
    return spec


def counted(bench: Any, start: int, **options: Any) -> Any:
    drawing = bench.draw()
    number = drawing.add("start", bench.node(lambda value: value, id="Number"), value=start)
    loop = drawing.add("loop", countdown(bench, **options), value=number)
    drawing.output("result", drawing.add("below", bench.node(lambda value: value, id="Below"), value=loop))
    return drawing


def test_the_nodes_of_every_turn_stand_below_the_loop(bench: Any) -> None:
    result = bench.run(counted(bench, 3))
    assert result.values == {("below", "out"): 0}
    assert [id for id in result.status if "step" in id] == ["loop/step-0", "loop/step-1", "loop/step-2"]


def test_a_loop_may_turn_more_often_than_expanders_may_be_nested(bench: Any) -> None:
    turns = 20 * DEEPEST
    result = bench.run(counted(bench, turns))
    assert result.values == {("below", "out"): 0}
    assert f"loop/step-{turns - 1}" in result.status
    assert bench.counts()["Step"] == turns


def test_turns_that_are_nested_in_each_other_are_stopped(bench: Any) -> None:
    (failure,) = bench.run(counted(bench, DEEPEST + 2, flat=False)).failures
    assert "expands without end" in failure.message


def test_a_loop_that_ran_is_remembered_turn_by_turn(bench: Any) -> None:
    with bench.engine() as engine:
        bench.run(counted(bench, 5), engine)
        bench.counts()
        result = bench.run(counted(bench, 5), engine)
        assert result.values == {("below", "out"): 0}
        assert {"Step", "Positive", "Below"}.isdisjoint(bench.counts())


def picking(bench: Any) -> Any:
    """Goes through a list whose length it has to know, and takes each item from where the list comes from."""
    item = bench.node(lambda items, place: items[place], id="Item")
    double = bench.node(lambda value: value * 2, id="Double")
    argument = bench.node(lambda: None, id="argument")

    def expand(values: Mapping[str, Any], linked: Mapping[str, Any]) -> Expansion:
        drawing = bench.draw()
        items = drawing.add("argument-items", argument)
        for place in range(len(values["items"])):
            link = drawing.add(
                f"double-{place}", double, value=drawing.add(f"item-{place}", item, items=items, place=place)
            )
        return Expansion(drawing.graph(), {drawing.index["argument-items"]: "items"}, {"out": drawing.place(link)})

    bench.expansions["Pick"] = expand
    return bench.node(lambda items: None, id="Pick", form=Form.EXPANDER)


def picked(bench: Any, make: Callable[[], Any], *, below: bool = False) -> Any:
    drawing = bench.draw()
    link = drawing.add("last", picking(bench), items=drawing.add("items", bench.node(make, id="Items")))
    if below:
        link = drawing.add("below", bench.node(lambda value: value, id="Below"), value=link)
    drawing.output("result", link)
    return drawing


def test_an_expander_may_link_to_an_input_whose_value_it_knows(bench: Any) -> None:
    assert bench.run(picked(bench, lambda: [1, 2, 3])).values == {("last", "out"): 6}


def test_what_it_links_to_is_not_computed_again(bench: Any) -> None:
    with bench.engine() as engine:
        result = bench.run(picked(bench, lambda: [1, 2, 3]), engine, use_cache=False)
    assert result.values == {("last", "out"): 6}
    assert bench.counts()["Items"] == 1
    assert result.status["items"] is Status.RAN


def test_an_expander_behind_a_closed_gate_does_not_record(bench: Any) -> None:
    for below in (False, True):
        result = bench.run(picked(bench, lambda: Blocked("closed"), below=below))
        assert "Pick" not in bench.counts()
        assert result.status["last"] is Status.SKIPPED
        assert not result.values
        assert list(result.withheld.values()) == ["closed"]


def test_a_switch_takes_what_a_loop_ends_with(bench: Any) -> None:
    async def switch(on: bool, yes: Any, no: Any) -> Any:
        return await (yes if on else no)

    node = bench.node(switch, id="Switch", lazy=("yes", "no"))
    for on in (True, False):
        drawing = bench.draw()
        number = drawing.add("start", bench.node(lambda value: value, id="Number"), value=4)
        loop = drawing.add("loop", countdown(bench), value=number)
        chosen = drawing.add("switch", node, on=on, yes=loop, no=7)
        drawing.output("result", drawing.add("below", bench.node(lambda value: value, id="Below"), value=chosen))
        with bench.engine() as engine:
            for _ in range(2):
                assert bench.run(drawing, engine).values == {("below", "out"): 0 if on else 7}


def test_a_loop_whose_turns_are_all_remembered_is_gone_through_again(bench: Any) -> None:
    with bench.engine() as engine:
        bench.run(counted(bench, 200), engine)
        bench.counts()
        result = bench.run(counted(bench, 200), engine, use_cache=True)
        assert result.values == {("below", "out"): 0}
        assert bench.counts() == {"Countdown": 201}


def test_a_failure_in_a_turn_ends_the_loop_there(bench: Any) -> None:
    def step(value: int) -> int:
        if value == 2:
            raise ValueError("two")
        return value - 1

    drawing = counted(bench, 4)
    bench.functions["Step"] = lambda value: step(value)
    result = bench.run(drawing)
    (failure,) = result.failures
    assert (failure.node, failure.message) == ("loop/step-2", "ValueError: two")
    assert result.status["below"] is Status.SKIPPED


def known(bench: Any, last: float) -> Any:
    """Goes on until ``last``, and waits for nothing: each turn can be recorded at once."""

    def expand(values: Mapping[str, Any], linked: Mapping[str, Any]) -> Expansion:
        drawing = bench.draw()
        if values["turn"] >= last:
            return Expansion(drawing.graph(), {}, {"out": Constant(values["turn"])})
        rest = drawing.add(f"turns-{values['turn'] + 1}", spec, turn=values["turn"] + 1)
        return Expansion(drawing.graph(), {}, {"out": drawing.place(rest)}, [0])

    bench.expansions["Known"] = expand
    spec = bench.node(lambda turn=0: None, id="Known", form=Form.EXPANDER)
    drawing = bench.draw()
    drawing.output("result", drawing.add("below", bench.node(lambda x: x, id="Below"), x=drawing.add("loop", spec)))
    return drawing


def test_turns_that_wait_for_nothing_do_not_pile_up(bench: Any) -> None:
    assert bench.run(known(bench, 2000)).values == {("below", "out"): 2000}


def test_turns_that_wait_for_nothing_and_never_end_are_stopped(bench: Any) -> None:
    (failure,) = bench.run(known(bench, float("inf"))).failures
    assert failure.message.startswith("expands without end")
    assert bench.counts() == {"Known": MOST_IN_A_ROW}


def test_what_is_wanted_before_its_turn_comes_runs_once(bench: Any) -> None:
    seen: list[Any] = []
    effect = bench.node(lambda value: seen.append(value), id="Effect", kind=Kind.EFFECT, outputs=())
    innermost = bench.node(lambda: None, id="Innermost", form=Form.EXPANDER)
    inner = bench.node(lambda: None, id="Inner", form=Form.EXPANDER)
    outer = bench.node(lambda value: None, id="Outer", form=Form.EXPANDER)

    def expand_inner(values: Mapping[str, Any], linked: Mapping[str, Any]) -> Expansion:
        drawing = bench.draw()
        found = drawing.add("innermost", innermost)
        drawing.add("effect", effect, value=found)
        return Expansion(drawing.graph(), {}, {"out": drawing.place(found)})

    def expand_outer(values: Mapping[str, Any], linked: Mapping[str, Any]) -> Expansion:
        drawing = bench.draw()
        found = drawing.add("inner", inner)
        return Expansion(drawing.graph(), {}, {"out": drawing.place(found)})

    bench.expansions["Innermost"] = lambda values, linked: Expansion(bench.draw().graph(), {}, {"out": Constant(3)})
    bench.expansions["Inner"] = expand_inner
    bench.expansions["Outer"] = expand_outer
    drawing = bench.draw()
    start = drawing.add("start", bench.node(lambda: 1, id="Start"))
    drawing.output("result", drawing.add("outer", outer, value=start))
    assert bench.run(drawing).values == {("outer", "out"): 3}
    assert seen == [3]
    assert bench.counts() == {"Start": 1, "Outer": 1, "Inner": 1, "Innermost": 1, "Effect": 1}


@pytest.mark.parametrize("waits", [True, False])
def test_an_expander_that_exits_fails_like_any_other(bench: Any, waits: bool) -> None:
    def leave(values: Mapping[str, Any], linked: Mapping[str, Any]) -> Expansion:
        raise SystemExit(9)

    bench.expansions["Leaves"] = leave
    drawing = bench.draw()
    value = drawing.add("start", bench.node(lambda: 1, id="Start")) if waits else 1
    drawing.output(
        "result", drawing.add("n", bench.node(lambda value: None, id="Leaves", form=Form.EXPANDER), value=value)
    )
    (failure,) = bench.run(drawing).failures
    assert failure.message == "SystemExit: 9"
