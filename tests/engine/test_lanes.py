"""Threads: what overlaps, what takes turns, and how a run is cancelled."""

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from nodeflow.core.errors import Cancelled
from nodeflow.core.spec import Kind, Lane
from nodeflow.engine.events import NodeStarted, Progress, Status
from nodeflow.engine.lanes import Lanes
from nodeflow.engine.runtime import Cancel


def test_cpu_nodes_of_independent_branches_overlap(bench: Any) -> None:
    together = threading.Barrier(3, timeout=20)

    def meet(value: int) -> int:
        together.wait()
        return value

    drawing = bench.draw()
    node = bench.node(meet, id="Meet", lane=Lane.CPU)
    device = bench.node(meet, id="Device")
    drawing.output("a", drawing.add("a", node, value=1))
    drawing.output("b", drawing.add("b", node, value=2))
    drawing.output("c", drawing.add("c", device, value=3))
    assert sorted(bench.run(drawing).values.values()) == [1, 2, 3]


def test_a_single_cpu_node_is_called_where_the_run_is(bench: Any) -> None:
    drawing = bench.draw()
    drawing.add("where", bench.node(lambda: threading.get_ident(), id="Where", lane=Lane.CPU))
    assert bench.run(drawing).values["where", "out"] == threading.get_ident()


def test_async_nodes_overlap(bench: Any) -> None:
    arrived: list[int] = []

    async def meet(value: int) -> int:
        arrived.append(value)
        while len(arrived) < 3:
            await asyncio.sleep(0.001)
        return value

    drawing = bench.draw()
    node = bench.node(meet, id="Meet")
    for value in range(3):
        drawing.output(f"o{value}", drawing.add(f"n{value}", node, value=value))
    assert sorted(bench.run(drawing).values.values()) == [0, 1, 2]


def test_an_awaiting_node_holds_no_lane(bench: Any) -> None:
    """A device node that waits for a device node above it would never end."""

    async def switch(on: bool, yes: Any, no: Any) -> Any:
        return await (yes if on else no)

    drawing = bench.draw()
    work = bench.node(lambda value: value + 1, id="Work")
    node = bench.node(switch, id="Switch", lazy=("yes", "no"))
    link: Any = 0
    for number in range(5):
        inner = drawing.add(f"work{number}", work, value=link)
        link = drawing.add(f"switch{number}", node, on=True, yes=inner, no=0)
    drawing.output("result", link)
    assert bench.run(drawing).values == {("switch4", "out"): 5}


def test_two_runs_take_turns_on_the_device(bench: Any) -> None:
    busy: list[int] = []
    most: list[int] = []

    def work(value: int) -> int:
        busy.append(1)
        most.append(len(busy))
        time.sleep(0.005)
        busy.pop()
        return value

    node = bench.node(work, id="Work")

    def graph(offset: int) -> Any:
        drawing = bench.draw()
        for number in range(4):
            drawing.output(f"o{number}", drawing.add(f"n{number}", node, value=offset + number))
        return drawing

    with bench.engine() as engine, ThreadPoolExecutor(2) as pool:
        results = list(pool.map(lambda offset: bench.run(graph(offset), engine), (0, 100)))
    assert all(len(result.values) == 4 for result in results)
    assert max(most) == 1


@pytest.mark.parametrize("lane", [Lane.DEVICE, Lane.CPU])
def test_two_runs_at_once_compute_a_key_once(bench: Any, lane: Lane) -> None:
    entered, go_on = threading.Event(), threading.Event()

    def slow(value: int) -> int:
        entered.set()
        go_on.wait(20)
        return value

    drawing = bench.draw()
    node = bench.node(slow, id="Slow", lane=lane)
    keep = bench.node(lambda value: value, id="Keep")
    drawing.output("result", drawing.add("keep", keep, value=drawing.add("slow", node, value=1)))
    with bench.engine() as engine, ThreadPoolExecutor(3) as pool:
        runs = [pool.submit(bench.run, drawing, engine) for _ in range(3)]
        entered.wait(20)
        time.sleep(0.05)
        go_on.set()
        results = [run.result(20) for run in runs]
    assert bench.counts() == {"Slow": 1, "Keep": 1}
    assert all(result.values == {("keep", "out"): 1} for result in results)


def test_when_the_one_who_computes_fails_the_next_tries(bench: Any) -> None:
    entered, go_on = threading.Event(), threading.Event()
    tries: list[int] = []

    def slow(value: int) -> int:
        tries.append(1)
        entered.set()
        go_on.wait(20)
        if len(tries) == 1:
            raise ValueError("the first time")
        return value

    drawing = bench.draw()
    drawing.output("result", drawing.add("slow", bench.node(slow, id="Slow", lane=Lane.CPU), value=1))
    with bench.engine() as engine, ThreadPoolExecutor(2) as pool:
        runs = [pool.submit(bench.run, drawing, engine) for _ in range(2)]
        entered.wait(20)
        time.sleep(0.05)
        go_on.set()
        results = [run.result(20) for run in runs]
    assert sorted(len(result.failures) for result in results) == [0, 1]


def steps(bench: Any, cancel: Cancel, at: int, **options: Any) -> tuple[Any, list[int]]:
    """A node of ten steps in a run that is cancelled at one of them."""
    done: list[int] = []

    def work(run: Any) -> int:
        for step in run.track(range(10), total=10):
            done.append(step)
            if step == at:
                cancel.request()
        return 1

    drawing = bench.draw()
    drawing.output("result", drawing.add("work", bench.node(work, id="Work", **options)))
    return drawing, done


@pytest.mark.parametrize("lane", [Lane.DEVICE, Lane.CPU])
def test_a_cancel_is_granted_between_two_steps(bench: Any, lane: Lane) -> None:
    cancel = Cancel()
    drawing, done = steps(bench, cancel, 3, lane=lane)
    drawing.output("other", drawing.add("other", bench.node(lambda value: value, id="Other", lane=lane), value=1))
    with bench.engine() as engine:
        result, events = bench.listen(drawing, engine, cancel=cancel)
        assert done == [0, 1, 2, 3]
        assert result.cancelled
        assert not result.failures
        assert result.status["work"] is Status.SKIPPED
        assert Progress("work", 4, 10) in events
        bench.counts()
        assert not bench.run(drawing, engine).cancelled
        assert bench.counts()["Work"] == 1


def test_a_node_that_swallows_the_cancel_has_no_result(bench: Any) -> None:
    cancel = Cancel()

    def stubborn(run: Any) -> int:
        try:
            for _ in run.track(range(10)):
                cancel.request()
        except Cancelled:
            pass
        return 1

    drawing = bench.draw()
    drawing.add("node", bench.node(stubborn, id="Stubborn"))
    with bench.engine() as engine:
        result = bench.run(drawing, engine, cancel=cancel)
        assert len(engine.memory) == 0
    assert result.cancelled
    assert not result.values


def test_a_cancelled_generator_is_closed(bench: Any) -> None:
    cancel = Cancel()
    closed: list[bool] = []

    def solver() -> Any:
        try:
            while True:
                yield 1
        finally:
            closed.append(True)

    def work(run: Any) -> int:
        for _ in run.track(solver()):
            cancel.request()
        return 1

    drawing = bench.draw()
    drawing.add("work", bench.node(work, id="Work"))
    bench.run(drawing, cancel=cancel)
    assert closed == [True]


def test_an_async_node_is_cancelled_where_it_waits(bench: Any) -> None:
    cancel = Cancel()

    async def wait() -> int:
        cancel.request()
        await asyncio.sleep(60)
        return 1

    drawing = bench.draw()
    drawing.add("wait", bench.node(wait, id="Wait"))
    result = bench.run(drawing, cancel=cancel)
    assert result.cancelled
    assert not result.failures


def test_an_async_node_that_was_never_begun_is_cancelled_too(bench: Any) -> None:
    cancel = Cancel()
    begun: list[int] = []

    async def block() -> int:
        begun.append(1)
        cancel.request()
        time.sleep(0.05)
        return 1

    async def never() -> int:
        begun.append(2)
        return 1

    drawing = bench.draw()
    drawing.output("a", drawing.add("a", bench.node(block, id="Block")))
    for number in range(3):
        drawing.output(f"b{number}", drawing.add(f"b{number}", bench.node(never, id=f"Never{number}")))
    result = bench.run(drawing, cancel=cancel)
    assert result.cancelled
    assert not result.failures


def test_a_switch_that_waits_is_cancelled_with_what_it_waits_for(bench: Any) -> None:
    cancel = Cancel()
    drawing, done = steps(bench, cancel, 2)

    async def switch(on: bool, yes: Any, no: Any) -> Any:
        return await (yes if on else no)

    node = bench.node(switch, id="Switch", lazy=("yes", "no"))
    work = next(iter(drawing.index))
    chosen = drawing.add("switch", node, on=True, yes=type(drawing.add("z", bench.node(lambda: 1)))(work, "out"), no=1)
    drawing.outputs.clear()
    drawing.output("result", chosen)
    result = bench.run(drawing, cancel=cancel)
    assert result.cancelled
    assert done == [0, 1, 2]


def test_a_run_that_waits_for_the_device_can_be_cancelled(bench: Any) -> None:
    cancel = Cancel()
    drawing = bench.draw()
    drawing.add("node", bench.node(lambda: 1, id="Node"))
    with bench.engine() as engine:
        engine._lanes.device.acquire()
        threading.Timer(0.05, cancel.request).start()
        result = bench.run(drawing, engine, cancel=cancel)
        engine._lanes.device.release()
    assert result.cancelled
    assert bench.counts() == {}


def test_a_cancel_that_comes_too_late_changes_nothing(bench: Any) -> None:
    cancel = Cancel()
    drawing = bench.draw()
    drawing.add("node", bench.node(lambda: 1, id="Node"))
    result = bench.run(drawing, cancel=cancel)
    cancel.request()
    assert not result.cancelled


def test_an_external_call_has_the_same_token_when_its_job_is_tried_again(bench: Any) -> None:
    drawing = bench.draw()
    drawing.add("call", bench.node(lambda run: run.token, id="Call", kind=Kind.EXTERNAL))
    tokens = [bench.run(drawing, job=job).values["call", "out"] for job in ("one", "one", "two", "")]
    assert tokens[0] == tokens[1]
    assert len(set(tokens)) == 3


def test_closing_ends_what_is_still_running() -> None:
    lanes = Lanes(1)
    ended: list[str] = []

    async def forever() -> None:
        await asyncio.sleep(3600)

    lanes.awaiting(forever(), lambda: ended.append("awaiting"))
    lanes.cpu(lambda: ended.append("cpu"))
    lanes.close()
    assert sorted(ended) == ["awaiting", "cpu"]
    lanes.close()


def test_the_first_node_of_a_document_starts_first(bench: Any) -> None:
    drawing = bench.draw()
    node = bench.node(lambda value: value, id="Node")
    for number in range(4):
        drawing.output(f"o{number}", drawing.add(f"n{number}", node, value=number))
    _, events = bench.listen(drawing)
    assert [event.node for event in events if isinstance(event, NodeStarted)] == ["n0", "n1", "n2", "n3"]
