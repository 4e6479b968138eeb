"""Values of links are held against what inputs declare before a node is called: plain, mapped, awaited, recorded."""

from dataclasses import replace
from typing import Any

import pytest

from nodeflow.core.blocked import Blocked
from nodeflow.core.spec import Form, Input, Output, Range, Spec
from nodeflow.core.types import Type
from nodeflow.engine.runtime import Constant
from tests.engine.test_expansion import Recorder

ANY, INT, FLOAT = Type("any"), Type("int"), Type("float")
STEPS = Input("steps", INT, range=Range(ge=1))


def declared(spec: Spec, *inputs: Input, out: Type = ANY) -> Spec:
    """A node with other words about its inputs."""
    known = {item.name: item for item in inputs}
    return replace(
        spec,
        inputs=tuple(known.get(item.name, item) for item in spec.inputs),
        outputs=tuple(Output(output.name, out) for output in spec.outputs),
    )


def source(bench: Any, drawing: Any, value: Any, out: Type = ANY) -> Any:
    return drawing.add("calc", declared(bench.node(lambda value: value, id="Calc"), out=out), value=value)


def failure(result: Any) -> str:
    (only,) = result.failures
    assert only.traceback is None
    return str(only)


def sampled(bench: Any, value: Any, input: Input = STEPS, out: Type = ANY, depth: int = 0) -> Any:
    """A node that gets a computed value."""
    drawing = bench.draw()
    node = declared(bench.node(lambda steps: steps, id="Sample"), input)
    depths = {"steps": depth} if depth else None
    drawing.output("result", drawing.add("sample", node, depth, depths, steps=source(bench, drawing, value, out)))
    return bench.run(drawing)


def test_a_value_that_is_not_taken_never_reaches_the_node(bench: Any) -> None:
    assert failure(sampled(bench, 0)) == (
        'Sample "sample" · steps: 0 is below the range; found 0; expected ≥ 1; linked from calc.out → nearest is 1'
    )
    assert bench.counts() == {"Calc": 1}


def test_it_is_held_although_the_types_agree_where_the_input_has_bounds(bench: Any) -> None:
    assert "0 is below the range" in failure(sampled(bench, 0, out=INT))
    assert sampled(bench, 4, out=INT).values == {("sample", "out"): 4}


@pytest.mark.parametrize(("out", "value", "got"), [(INT, 3, 3.0), (FLOAT, 3, 3), (ANY, 3, 3.0)])
def test_a_whole_number_widens_where_a_float_is_declared(bench: Any, out: Type, value: Any, got: Any) -> None:
    (found,) = sampled(bench, value, Input("steps", FLOAT), out).values.values()
    assert type(found) is type(got)


def test_where_types_say_enough_a_value_is_handed_over_as_it_is(bench: Any) -> None:
    class Odd(int):
        """Would become a plain number if it was looked at."""

    drawing = bench.draw()
    odd = drawing.add("odd", declared(bench.node(lambda: Odd(3), id="Odd"), out=INT))
    node = declared(bench.node(lambda steps: steps, id="Sample"), Input("steps", INT))
    drawing.output("result", drawing.add("sample", node, steps=odd))
    assert type(bench.run(drawing).values["sample", "out"]) is Odd


def test_open_choices_are_those_of_the_packs_and_looked_up_once(bench: Any) -> None:
    drawing = bench.draw()
    shape = Input("shape", Type("str"), open_choices="tables")
    node = declared(bench.node(lambda shape: shape, id="Cut"), shape)
    calc = bench.node(lambda value: value, id="Calc")
    for name in ("round", "square"):
        drawing.output(name, drawing.add(name, node, shape=drawing.add(f"calc-{name}", calc, value=name)))
    assert set(bench.run(drawing).values.values()) == {"round", "square"}
    assert "expected round, square" in failure(sampled(bench, "oval", replace(shape, name="steps")))


def test_items_are_held_one_by_one(bench: Any) -> None:
    assert sampled(bench, [3, 4.0], depth=1).values == {("sample", "out"): [3, 4]}
    assert "0 is below" in failure(sampled(bench, [3, 0], out=Type("list", (INT,)), depth=1))
    assert bench.counts() == {"Calc": 2, "Sample": 3}


def test_places_inside_rows_are_held_by_their_fields(bench: Any) -> None:
    drawing = bench.draw()
    rows = Input("rows", Type("list", (Type("Lora"),)), fields=(Input("strength", FLOAT, range=Range(le=2)),))
    node = declared(bench.node(lambda rows: rows, id="Stack"), rows)
    link = source(bench, drawing, 3, out=INT)
    drawing.output("result", drawing.add("stack", node, rows=[{"strength": 1.0}, {"strength": link}]))
    assert failure(bench.run(drawing)).startswith('Stack "stack" · rows[1].strength: 3 is above the range')


def test_a_place_that_may_be_anything_is_not_looked_at(bench: Any) -> None:
    drawing = bench.draw()
    node = declared(bench.node(lambda table, steps=1: table, id="Stack"), STEPS)
    drawing.output("result", drawing.add("stack", node, table=[source(bench, drawing, "x")]))
    assert bench.run(drawing).values == {("stack", "out"): ["x"]}


async def pick(steps: Any, other: Any = None) -> Any:
    return await steps


LAZY = replace(STEPS, lazy=True)


def test_an_awaited_value_is_held_when_it_is_awaited(bench: Any) -> None:
    def picked(value: Any) -> Any:
        drawing = bench.draw()
        node = declared(bench.node(pick, id="Pick"), LAZY)
        drawing.output("result", drawing.add("pick", node, steps=source(bench, drawing, value)))
        return bench.run(drawing)

    assert picked(2.0).values == {("pick", "out"): 2}
    assert failure(picked(0)).startswith('Pick "pick" · steps: 0 is below the range')


def test_what_is_awaited_item_by_item_is_held_as_well(bench: Any) -> None:
    drawing = bench.draw()
    node = declared(bench.node(pick, id="Pick"), LAZY)
    numbers = source(bench, drawing, [1, 2.0, 0], out=Type("list", (ANY,)))
    drawing.output("result", drawing.add("pick", node, 1, {"steps": 1}, steps=numbers))
    assert failure(bench.run(drawing)).startswith('Pick "pick" · steps: 0 is below the range')


def test_a_constant_of_an_expander_is_held_where_it_is_awaited(bench: Any) -> None:
    bench.expansions["Give"] = lambda values, linked: Recorder(bench, linked).result(out=Constant(values["value"]))
    drawing = bench.draw()
    given = drawing.add("give", bench.node(lambda value: None, id="Give", form=Form.EXPANDER), value=0)
    node = declared(bench.node(pick, id="Pick"), LAZY)
    drawing.output("result", drawing.add("pick", node, steps=given))
    assert failure(bench.run(drawing)).endswith("linked from give.out → nearest is 1")


def test_an_awaited_value_that_is_blocked_is_not_held(bench: Any) -> None:
    drawing = bench.draw()
    node = declared(bench.node(pick, id="Pick"), LAZY)
    drawing.output(
        "result", drawing.add("pick", node, steps=drawing.add("gate", bench.node(lambda: Blocked("closed"), id="Gate")))
    )
    assert bench.run(drawing).failures == ()


def expanded(bench: Any, value: Any, depth: int = 0) -> Any:
    bench.expansions["Give"] = lambda values, linked: Recorder(bench, linked).result(out=Constant(values["steps"]))
    drawing = bench.draw()
    node = declared(bench.node(lambda steps: None, id="Give", form=Form.EXPANDER), STEPS)
    depths = {"steps": depth} if depth else None
    drawing.output("result", drawing.add("give", node, depth, depths, steps=source(bench, drawing, value)))
    return bench.run(drawing)


def test_an_expander_gets_what_it_declares(bench: Any) -> None:
    assert expanded(bench, 2.0).values == {("give", "out"): 2}
    assert failure(expanded(bench, 0)).startswith('Give "give" · steps: 0 is below the range')
    assert failure(expanded(bench, [1, 0], depth=1)).startswith('Give "give" · steps: 0 is below the range')


def test_what_an_expander_records_is_held_against_what_really_comes(bench: Any) -> None:
    sample = declared(bench.node(lambda steps: steps, id="Sample"), STEPS)

    def expand(values: Any, linked: Any) -> Any:
        recorder = Recorder(bench, linked)
        return recorder.result(out=recorder.drawing.add("sample", sample, steps=recorder.places["steps"]))

    bench.expansions["Wrap"] = expand
    drawing = bench.draw()
    wrap = bench.node(lambda steps: None, id="Wrap", form=Form.EXPANDER, lazy=("steps",))
    drawing.output("result", drawing.add("wrap", wrap, steps=source(bench, drawing, 0)))
    assert failure(bench.run(drawing)).startswith('Sample "wrap/sample" · steps: 0 is below the range')
