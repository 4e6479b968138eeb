"""A node that changes an input, when somebody watches."""

from collections.abc import Mapping
from typing import Any

import pytest

from nodeflow.core.spec import Lane
from nodeflow.engine.events import Status
from nodeflow.engine.runtime import Check
from tests.engine.conftest import Bench, Link


def watch(values: Mapping[str, object]) -> Check:
    """Knows lists by their length."""
    before = {name: len(value) for name, value in values.items() if isinstance(value, list)}
    return lambda: {name: "it grew" for name in before if len(values[name]) != before[name]}  # type: ignore[arg-type]


@pytest.fixture
def watched(bench: Bench) -> Bench:
    bench.watching = watch
    return bench


def grow(values: list[int]) -> int:
    values.append(1)
    return len(values)


async def grow_later(values: list[int]) -> int:
    return grow(values)


def drawn(bench: Bench, function: Any, **options: Any) -> Any:
    drawing = bench.draw()
    source = drawing.add("source", bench.node(lambda: [1, 2], id="Source"))
    drawing.output("grown", drawing.add("grow", bench.node(function, id="Grow", **options), values=source))
    return drawing


@pytest.mark.parametrize(
    ("function", "options"), [(grow, {}), (grow, {"lane": Lane.CPU}), (grow_later, {})], ids=["device", "pool", "async"]
)
def test_the_node_and_its_input_are_named(watched: Bench, function: Any, options: Any) -> None:
    with watched.engine() as engine:
        (failure,) = watched.run(drawn(watched, function, **options), engine).failures
        assert str(failure) == 'Grow "grow" · values: changed by the node (it grew); make a copy and change that'
        assert failure.traceback is None
        assert len(engine.memory) == 0, "nobody knows what else holds the changed value"
    watched.watching = None
    assert watched.run(drawn(watched, function, **options)).values == {("grow", "out"): 3}


def test_all_changed_inputs_are_named(watched: Bench) -> None:
    def both(a: list[int], b: list[int], run: Any) -> None:
        a.append(1)
        b.append(1)

    drawing = watched.draw()
    drawing.output("both", drawing.add("both", watched.node(both, id="Both"), a=[], b=[]))
    (failure,) = watched.run(drawing).failures
    assert failure.message == "changed by the node (it grew); also changed: b (it grew); make a copy and change that"


def test_nothing_more_is_computed_with_what_was_changed(watched: Bench) -> None:
    drawing = drawn(watched, grow)
    more = watched.node(lambda values: sum(values), id="More")
    drawing.outputs = {
        "more": drawing.place(drawing.add("more", more, values=Link("source", "out"))),
        **drawing.outputs,
    }
    result = watched.run(drawing)
    assert result.status["more"] is Status.SKIPPED
    assert not result.cancelled


def test_nodes_of_the_pool_take_turns_while_they_are_watched(watched: Bench) -> None:
    import threading

    threads: set[int] = set()
    drawing = watched.draw()
    for number in range(3):
        node = watched.node(lambda: threads.add(threading.get_ident()), id="Where", lane=Lane.CPU, outputs=())
        drawing.add(f"n{number}", node)
    watched.run(drawing)
    assert threads == {threading.get_ident()}


def test_a_mapped_node_is_watched_item_by_item(watched: Bench) -> None:
    drawing = watched.draw()
    many = drawing.add("many", watched.node(lambda: [[1], [2]], id="Many"))
    node = watched.node(grow, id="Grow")
    drawing.output("grown", drawing.add("grow", node, depth=1, depths={"values": 1}, values=many))
    (failure,) = watched.run(drawing).failures
    assert failure.input == "values"
    assert watched.counts()["Grow"] == 1
