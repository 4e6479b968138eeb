"""Lists into single inputs: which calls, and which lists come back."""

from typing import Any

from nodeflow.core.blocked import Blocked
from nodeflow.engine.mapping import spread


def calls(arguments: dict[str, object], depths: dict[str, int], depth: int = 1) -> list[dict[str, object]]:
    return [call.arguments for call in spread(arguments, depths, depth)]


def test_one_call_per_item() -> None:
    assert calls({"a": [1, 2], "b": "x"}, {"a": 1}) == [{"a": 1, "b": "x"}, {"a": 2, "b": "x"}]


def test_a_list_of_one_repeats_silently_and_a_shorter_one_is_named() -> None:
    plan = spread({"a": [1, 2, 3], "b": [7], "c": [8, 9]}, {"a": 1, "b": 1, "c": 1}, 1)
    assert [tuple(call.arguments.values()) for call in plan] == [(1, 7, 8), (2, 7, 9), (3, 7, 9)]
    assert plan.uneven == ("c",)


def test_an_empty_list_makes_no_call_and_gives_an_empty_list() -> None:
    plan = spread({"a": [], "b": [1, 2]}, {"a": 1, "b": 1}, 1)
    assert list(plan) == []
    assert plan.fold([], 2) == ([], [])


def test_nested_lists_give_nested_lists() -> None:
    plan = spread({"a": [[1, 2], [3], []], "b": [10, 20, 30]}, {"a": 2, "b": 1}, 2)
    results = [(call.arguments["a"] + call.arguments["b"], call.path) for call in plan]  # type: ignore[operator]
    assert plan.fold(results, 2) == ([[11, 12], [23], []], [[(0, 0), (0, 1)], [(1, 0)], []])


def test_what_is_no_list_counts_as_a_list_of_one() -> None:
    assert calls({"a": [1, 2], "b": 5}, {"a": 1, "b": 1}) == [{"a": 1, "b": 5}, {"a": 2, "b": 5}]


def test_a_mapped_node_is_called_per_item_and_remembered_as_a_whole(bench: Any) -> None:
    many = bench.node(lambda: [1, 2, 3], id="Many")
    double = bench.node(lambda value, factor=2: value * factor, id="Double")
    total = bench.node(lambda values: sum(values), id="Total")
    drawing = bench.draw()
    doubled = drawing.add("double", double, depth=1, depths={"value": 1}, value=drawing.add("many", many))
    drawing.output("total", drawing.add("total", total, values=doubled))
    with bench.engine() as engine:
        assert bench.run(drawing, engine).values == {("total", "out"): 12}
        assert bench.counts() == {"Many": 1, "Double": 3, "Total": 1}
        bench.run(drawing, engine)
        assert bench.counts() == {}


def test_a_shorter_list_is_a_warning_also_when_the_result_is_remembered(bench: Any) -> None:
    pair = bench.node(lambda: ([1, 2, 3], [10, 20]), id="Pair", outputs=("left", "right"))
    add = bench.node(lambda a, b: a + b, id="Add")
    drawing = bench.draw()
    left = drawing.add("pair", pair)
    right = type(left)("pair", "right")
    drawing.output("sums", drawing.add("add", add, depth=1, depths={"a": 1, "b": 1}, a=left, b=right))
    with bench.engine() as engine:
        for _ in range(2):
            result = bench.run(drawing, engine)
            assert result.values == {("add", "out"): [11, 22, 23]}
            (warning,) = result.warnings
            assert (warning.node, "b repeats its last item" in warning.message) == ("add", True)
        strict = bench.run(drawing, strict=True)
        assert [failure.node for failure in strict.failures] == ["add"]


def test_several_outputs_become_several_lists(bench: Any) -> None:
    many = bench.node(lambda: [7, 8], id="Many")
    split = bench.node(lambda value: (value // 2, value % 2), id="Split", outputs=("half", "rest"))
    drawing = bench.draw()
    half = drawing.add("split", split, depth=1, depths={"value": 1}, value=drawing.add("many", many))
    drawing.output("half", half)
    drawing.output("rest", type(half)("split", "rest"))
    assert bench.run(drawing).values == {("split", "half"): [3, 4], ("split", "rest"): [1, 0]}


def test_an_async_node_is_mapped_too_and_tokens_differ_by_item(bench: Any) -> None:
    async def fetch(value: int, run: Any) -> str:
        return str(run.token)

    many = bench.node(lambda: [1, 1], id="Many")
    drawing = bench.draw()
    node = bench.node(fetch, id="Fetch")
    fetched = drawing.add("fetch", node, depth=1, depths={"value": 1}, value=drawing.add("many", many))
    drawing.output("tokens", fetched)
    one = bench.run(drawing, job="job").values["fetch", "out"]
    two = bench.run(drawing, job="job").values["fetch", "out"]
    other = bench.run(drawing, job="other").values["fetch", "out"]
    assert len(set(one)) == 2
    assert one == two
    assert not set(one) & set(other)


def test_a_blocked_item_blocks_its_own_call_only(bench: Any) -> None:
    many = bench.node(lambda: [1, Blocked("no"), 3], id="Many")
    double = bench.node(lambda value: value * 2, id="Double")

    async def again(value: int) -> int:
        return value

    wait = bench.node(again, id="Wait")
    drawing = bench.draw()
    doubled = drawing.add("double", double, depth=1, depths={"value": 1}, value=drawing.add("many", many))
    waited = drawing.add("wait", wait, depth=1, depths={"value": 1}, value=doubled)
    drawing.output("result", waited)
    result = bench.run(drawing)
    assert result.values == {("wait", "out"): [2, 6]}
    assert result.withheld == {("wait", "out"): "1 of 3 items: no"}
    assert bench.counts() == {"Many": 1, "Double": 2, "Wait": 2}
