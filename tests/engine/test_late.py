"""Nodes that are wanted only when others have run already: equal, dropped or failed ones."""

import asyncio
import threading
import time
from collections.abc import Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from nodeflow.core.blocked import Blocked
from nodeflow.core.spec import Form, Lane
from nodeflow.engine.awaiting import Promise
from nodeflow.engine.events import Status
from nodeflow.engine.runtime import Constant, Expansion


async def after(first: Any, second: Any) -> Any:
    """Awaits ``second`` once ``first`` is there."""
    return [first, await second]


def afterwards(bench: Any, drawing: Any, first: Any, second: Any) -> Any:
    return drawing.add("after", bench.node(after, id="After", lazy=("second",)), first=first, second=second)


def test_a_value_that_was_let_go_is_made_again_when_it_is_awaited_later(bench: Any) -> None:
    drawing = bench.draw()
    keep = bench.node(lambda value: value, id="Keep")
    leaf = drawing.add("leaf", keep, value=1)
    drawing.output("result", afterwards(bench, drawing, drawing.add("taker", keep, value=leaf), leaf))
    with bench.engine(budget=0) as engine:
        assert bench.run(drawing, engine).values == {("after", "out"): [1, 1]}
    assert bench.counts() == {"Keep": 3, "After": 1}
    with bench.engine() as engine:
        bench.run(drawing, engine)
    assert bench.counts() == {"Keep": 2, "After": 1}


@pytest.mark.parametrize("pinned", [True, False])
def test_an_equal_node_that_is_wanted_later_takes_what_is_there(bench: Any, pinned: bool) -> None:
    drawing = bench.draw()
    keep = bench.node(lambda value: value, id="Keep")
    one, twin = drawing.add("one", keep, value=1), drawing.add("twin", keep, value=1)
    if pinned:
        drawing.output("one", one)
    drawing.output("result", afterwards(bench, drawing, drawing.add("taker", keep, value=one), twin))
    with bench.engine(budget=0) as engine:
        assert bench.run(drawing, engine).values["after", "out"] == [1, 1]
    assert bench.counts()["Keep"] == (2 if pinned else 3)


def test_an_equal_node_and_what_is_below_a_failed_one_are_lost_when_wanted_later(bench: Any) -> None:
    def broken(value: int) -> int:
        raise ValueError("broken")

    fail = bench.node(broken, id="Fail")
    keep = bench.node(lambda value: value, id="Keep")
    for below in (False, True):
        drawing = bench.draw()
        one, twin = drawing.add("one", fail, value=1), drawing.add("twin", fail, value=1)
        awaited = drawing.add("below", keep, value=one) if below else twin
        drawing.output("result", afterwards(bench, drawing, drawing.add("slow", keep, value=5), awaited))
        drawing.output("one", one)
        drawing.outputs = dict(reversed(drawing.outputs.items()))
        result = bench.run(drawing)
        assert [failure.node for failure in result.failures] == ["one"]
        assert result.status["after"] is Status.SKIPPED


def test_a_lazy_node_that_is_lost_before_its_key_is_known_stays_lost(bench: Any) -> None:
    def broken() -> int:
        raise ValueError("broken")

    async def pick(bad: Any, chosen: Any, lazy: Any) -> Any:
        return await lazy

    async def slowly(value: Any) -> Any:
        await asyncio.sleep(0.05)
        return await value

    drawing = bench.draw()
    bad = drawing.add("bad", bench.node(broken, id="Bad"))
    chosen = drawing.add("chosen", bench.node(slowly, id="Slowly", lazy=("value",)), value=1)
    node = bench.node(pick, id="Pick", lazy=("lazy",))
    drawing.output("result", drawing.add("pick", node, bad=bad, chosen=chosen, lazy=3))
    drawing.output("below", drawing.add("below", bench.node(lambda value: value, id="Keep"), value=chosen))
    result = bench.run(drawing)
    assert [failure.node for failure in result.failures] == ["bad"]
    assert result.values == {("below", "out"): 1}


def test_an_expander_that_is_awaited_and_gives_a_literal_is_remembered(bench: Any) -> None:
    def expand(values: Mapping[str, Any], linked: Collection[str]) -> Expansion:
        return Expansion(bench.draw().graph(), {}, {"out": Constant(values["count"] * 10)})

    bench.expansions["Expand"] = expand
    spec = bench.node(lambda count: None, id="Expand", form=Form.EXPANDER)
    keep = bench.node(lambda value: value, id="Keep")
    drawing = bench.draw()
    expanded = drawing.add("expand", spec, count=drawing.add("count", keep, value=4))
    below = drawing.add("below", keep, value=afterwards(bench, drawing, 1, expanded))
    drawing.output("result", below)
    with bench.engine() as engine:
        assert bench.run(drawing, engine).values == {("below", "out"): [1, 40]}
        assert bench.counts() == {"After": 1, "Expand": 1, "Keep": 2}
        assert bench.run(drawing, engine).values == {("below", "out"): [1, 40]}
        assert "Keep" not in bench.counts()


def test_strict_fails_on_a_warning_that_another_run_met(bench: Any) -> None:
    entered, go_on = threading.Event(), threading.Event()

    def slow(run: Any) -> int:
        entered.set()
        go_on.wait(20)
        run.warn("odd")
        return 1

    drawing = bench.draw()
    drawing.add("slow", bench.node(slow, id="Slow", lane=Lane.CPU))
    with bench.engine() as engine, ThreadPoolExecutor(2) as pool:
        easy = pool.submit(bench.run, drawing, engine)
        entered.wait(20)
        strict = pool.submit(bench.run, drawing, engine, strict=True)
        time.sleep(0.05)
        go_on.set()
        assert not easy.result(20).failures
        assert [failure.message for failure in strict.result(20).failures] == ["odd"]
    assert bench.counts() == {"Slow": 1}


def test_the_device_is_waited_for(bench: Any) -> None:
    drawing = bench.draw()
    drawing.add("node", bench.node(lambda: 1, id="Node"))
    with bench.engine() as engine:
        engine._lanes.device.acquire()
        threading.Timer(0.12, engine._lanes.device.release).start()
        assert bench.run(drawing, engine).values == {("node", "out"): 1}


def test_what_is_blocked_beside_a_node_does_not_touch_it(bench: Any) -> None:
    gate = bench.node(lambda: Blocked("closed"), id="Gate")
    pair = bench.node(lambda a, b: (a, b), id="Pair")
    keep = bench.node(lambda value: value, id="Keep")
    drawing = bench.draw()
    closed = drawing.add("gate", gate)
    drawing.output("half", drawing.add("half", pair, a=drawing.add("one", keep, value=1), b=closed))
    drawing.output("free", drawing.add("free", pair, a=drawing.add("two", keep, value=2), b=[3]))
    result = bench.run(drawing)
    assert result.values == {("free", "out"): (2, [3])}
    assert result.withheld == {("half", "out"): "closed"}


def test_a_promise_that_nobody_waits_for_any_more_takes_no_value() -> None:
    async def wait() -> None:
        promise = Promise("value", lambda _: None)
        task = asyncio.ensure_future(_await(promise))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        promise.settle(1)

    asyncio.run(wait())


async def _await(promise: Promise) -> object:
    return await promise
