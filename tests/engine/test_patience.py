"""Nodes that ask for patience, and mapped nodes that make several calls at once."""

import asyncio
import threading
import time
from typing import Any

import pytest

from nodeflow.core.errors import Retry
from nodeflow.core.spec import Kind, Lane
from nodeflow.engine.events import NodeStarted, Status, Waiting
from nodeflow.engine.runtime import Cancel


class Desk:
    """An outside service that says "later" a few times to each token before it answers."""

    def __init__(self, times: int, after: float = 0.001, busy: frozenset[Any] | None = None) -> None:
        self.times = times
        self.after = after
        self.busy = busy
        self.asked: list[tuple[Any, str]] = []

    def ask(self, value: Any, token: str) -> Any:
        self.asked.append((value, token))
        tries = sum(token == other for _, other in self.asked)
        if tries <= self.times and (self.busy is None or value in self.busy):
            raise Retry(self.after, f"busy for the {tries}. time")
        return value * 10

    def node(self, bench: Any, awaits: bool, **options: Any) -> Any:
        def ask(value: Any, run: Any) -> Any:
            return self.ask(value, run.token)

        async def ask_later(value: Any, run: Any) -> Any:
            return self.ask(value, run.token)

        return bench.node(ask_later if awaits else ask, id="Ask", kind=Kind.EXTERNAL, **options)


ways = pytest.mark.parametrize(
    ("awaits", "lane"), [(False, Lane.DEVICE), (False, Lane.CPU), (True, Lane.DEVICE)], ids=["device", "pool", "async"]
)


@ways
def test_the_same_call_is_made_again_after_a_while_with_the_same_token(bench: Any, awaits: bool, lane: Lane) -> None:
    desk = Desk(times=2)
    drawing = bench.draw()
    drawing.output("answer", drawing.add("ask", desk.node(bench, awaits, lane=lane), value=1))
    result, events = bench.listen(drawing)
    assert result.values == {("ask", "out"): 10}
    assert len(desk.asked) == 3
    assert len({token for _, token in desk.asked}) == 1
    assert [event for event in events if isinstance(event, Waiting)] == [
        Waiting("ask", 0.001, "busy for the 1. time", 1),
        Waiting("ask", 0.001, "busy for the 2. time", 2),
    ]


@ways
def test_the_last_reason_is_the_failure_when_no_try_is_left(bench: Any, awaits: bool, lane: Lane) -> None:
    desk = Desk(times=9, after=0)
    drawing = bench.draw()
    drawing.output("answer", drawing.add("ask", desk.node(bench, awaits, lane=lane), value=1))
    (failure,) = bench.run(drawing).failures
    assert failure.message == "busy for the 5. time (given up after 5 tries)"
    assert failure.traceback is None
    assert len(desk.asked) == 5


def test_a_node_without_a_reason_and_with_an_odd_time_is_called_again_at_once(bench: Any) -> None:
    def ask() -> None:
        raise Retry(float("nan"))

    drawing = bench.draw()
    drawing.add("ask", bench.node(ask, id="Ask", kind=Kind.EXTERNAL))
    result, events = bench.listen(drawing)
    assert [event.seconds for event in events if isinstance(event, Waiting)] == [0, 0, 0, 0]
    assert result.failures[0].message == "it asked for patience each time (given up after 5 tries)"


@ways
def test_an_item_that_is_done_is_not_asked_for_again(bench: Any, awaits: bool, lane: Lane) -> None:
    desk = Desk(times=2, busy=frozenset({2, 3}))
    drawing = bench.draw()
    many = drawing.add("many", bench.node(lambda: [1, 2, 3], id="Many"))
    node = desk.node(bench, awaits, lane=lane)
    drawing.output("answers", drawing.add("ask", node, depth=1, depths={"value": 1}, value=many))
    assert bench.run(drawing).values == {("ask", "out"): [10, 20, 30]}
    assert [value for value, _ in desk.asked] == [1, 2, 2, 2, 3, 3, 3]
    assert len({token for _, token in desk.asked}) == 3


def test_tries_are_counted_by_item(bench: Any) -> None:
    desk = Desk(times=4, after=0)
    drawing = bench.draw()
    many = drawing.add("many", bench.node(lambda: [1, 2, 3], id="Many"))
    drawing.output("answers", drawing.add("ask", desk.node(bench, False), depth=1, depths={"value": 1}, value=many))
    assert bench.run(drawing).values == {("ask", "out"): [10, 20, 30]}
    assert len(desk.asked) == 15


def test_others_use_the_device_while_a_node_waits(bench: Any) -> None:
    desk = Desk(times=1, after=0.1)
    drawing = bench.draw()
    drawing.output("answer", drawing.add("ask", desk.node(bench, False), value=1))
    drawing.output("other", drawing.add("other", bench.node(lambda: 1, id="Other")))
    result, events = bench.listen(drawing)
    told = [type(event).__name__ for event in events]
    assert told[:6] == ["RunStarted", "NodeStarted", "Waiting", "NodeStarted", "NodeFinished", "NodeFinished"]
    assert result.seconds["ask"] < 0.05


@ways
def test_waiting_is_over_when_the_run_is_cancelled(bench: Any, awaits: bool, lane: Lane) -> None:
    cancel = Cancel()
    desk = Desk(times=1, after=3600)
    drawing = bench.draw()
    drawing.output("answer", drawing.add("ask", desk.node(bench, awaits, lane=lane), value=1))
    events: list[Any] = []

    def listen(event: Any) -> None:
        events.append(event)
        if isinstance(event, Waiting):
            threading.Timer(0.02, cancel.request).start()

    started = time.monotonic()
    result = bench.run(drawing, on_event=listen, cancel=cancel)
    assert time.monotonic() - started < 10
    assert result.cancelled
    assert not result.failures
    assert result.status["ask"] is Status.SKIPPED
    assert len(desk.asked) == 1


def test_a_call_that_is_due_while_the_run_stops_is_not_made(bench: Any) -> None:
    cancel = Cancel()
    desk = Desk(times=1, after=0)
    drawing = bench.draw()
    drawing.output("answer", drawing.add("ask", desk.node(bench, False), value=1))
    result = bench.run(drawing, on_event=lambda event: isinstance(event, Waiting) and cancel.request(), cancel=cancel)
    assert result.cancelled
    assert len(desk.asked) == 1


def test_a_pure_node_may_ask_for_patience_as_well_and_others_get_its_result(bench: Any) -> None:
    tries: list[int] = []

    def slow() -> int:
        tries.append(1)
        if len(tries) < 2:
            raise Retry(0.001)
        return 7

    drawing = bench.draw()
    drawing.output("answer", drawing.add("slow", bench.node(slow, id="Slow")))
    with bench.engine() as engine:
        assert bench.run(drawing, engine).values == {("slow", "out"): 7}
        assert bench.run(drawing, engine).status["slow"] is Status.HIT_MEMORY


class Crowd:
    """Counts how many calls are under way at once."""

    def __init__(self) -> None:
        self.now = 0
        self.most = 0
        self.done: list[int] = []
        self.stopped: list[int] = []

    async def work(self, value: int) -> int:
        self.now += 1
        self.most = max(self.most, self.now)
        try:
            await asyncio.sleep(0.002 * (5 - value % 5))
            if value == 13:
                raise ValueError("unlucky")
            self.done.append(value)
        except asyncio.CancelledError:
            self.stopped.append(value)
            raise
        finally:
            self.now -= 1
        return value * 2


def mapped(bench: Any, crowd: Crowd, values: list[int], concurrency: int) -> Any:
    async def work(value: int) -> int:
        return await crowd.work(value)

    drawing = bench.draw()
    many = drawing.add("many", bench.node(lambda: values, id="Many"))
    node = bench.node(work, id="Work", kind=Kind.EXTERNAL, concurrency=concurrency)
    drawing.output("results", drawing.add("work", node, depth=1, depths={"value": 1}, value=many))
    return drawing


@pytest.mark.parametrize("concurrency", [1, 3, 100])
def test_so_many_items_are_under_way_at_once_and_results_are_in_order(bench: Any, concurrency: int) -> None:
    crowd = Crowd()
    result = bench.run(mapped(bench, crowd, list(range(8)), concurrency))
    assert result.values == {("work", "out"): [0, 2, 4, 6, 8, 10, 12, 14]}
    assert crowd.most == min(concurrency, 8)


def test_an_empty_list_of_items_is_an_empty_list(bench: Any) -> None:
    assert bench.run(mapped(bench, Crowd(), [], 4)).values == {("work", "out"): []}


def test_the_first_failure_stops_the_other_items(bench: Any) -> None:
    crowd = Crowd()
    result = bench.run(mapped(bench, crowd, [13, 10, 10, 1, 2, 3], 3))
    (failure,) = result.failures
    assert failure.message == "ValueError: unlucky"
    assert crowd.stopped
    assert len(crowd.done) + len(crowd.stopped) < 5


def test_a_cancel_stops_all_items(bench: Any) -> None:
    cancel = Cancel()
    stopped: list[int] = []

    async def wait(value: int) -> int:
        try:
            await asyncio.sleep(60)
        finally:
            stopped.append(value)
        return value

    drawing = bench.draw()
    many = drawing.add("many", bench.node(lambda: [1, 2, 3, 4], id="Many"))
    node = bench.node(wait, id="Wait", concurrency=3)
    drawing.output("results", drawing.add("wait", node, depth=1, depths={"value": 1}, value=many))

    def listen(event: Any) -> None:
        if event == NodeStarted("wait"):
            threading.Timer(0.05, cancel.request).start()

    result = bench.run(drawing, on_event=listen, cancel=cancel)
    assert result.cancelled
    assert sorted(stopped) == [1, 2, 3]


def test_a_node_that_exits_among_others_does_not_take_the_loop_with_it(bench: Any) -> None:
    async def leave(value: int) -> int:
        if value == 2:
            raise SystemExit(3)
        return value

    drawing = bench.draw()
    many = drawing.add("many", bench.node(lambda: [1, 2, 3, 4], id="Many"))
    node = bench.node(leave, id="Leave", concurrency=2)
    drawing.output("results", drawing.add("leave", node, depth=1, depths={"value": 1}, value=many))
    with bench.engine() as engine:
        for _ in range(2):
            (failure,) = bench.run(drawing, engine).failures
            assert failure.message == "SystemExit: 3"


def test_each_item_has_a_token_of_its_own_and_another_job_has_others(bench: Any) -> None:
    async def token(value: int, run: Any) -> str:
        await asyncio.sleep(0)
        return run.token

    drawing = bench.draw()
    many = drawing.add("many", bench.node(lambda: [1, 2, 3], id="Many"))
    node = bench.node(token, id="Token", kind=Kind.EXTERNAL, concurrency=3)
    drawing.output("tokens", drawing.add("tokens", node, depth=1, depths={"value": 1}, value=many))
    first, again, other = (bench.run(drawing, job=job).values["tokens", "out"] for job in ("a", "a", "b"))
    assert first == again
    assert len({*first, *other}) == 6


def test_equal_warnings_of_items_are_told_once_with_their_number(bench: Any) -> None:
    def cut(value: int, run: Any) -> int:
        run.warn("cut")
        if value > 2:
            run.warn("very long")
        return value

    drawing = bench.draw()
    many = drawing.add("many", bench.node(lambda: [1, 2, 3], id="Many"))
    drawing.output("results", drawing.add("cut", bench.node(cut, id="Cut"), depth=1, depths={"value": 1}, value=many))
    with bench.engine() as engine:
        for _ in range(2):
            result = bench.run(drawing, engine)
            assert [warning.message for warning in result.warnings] == ["cut (3 items)", "very long"]
        (failure,) = bench.run(drawing, strict=True).failures
    assert failure.message == "cut"


def test_what_items_show_is_kept_in_their_order(bench: Any) -> None:
    async def show(value: int, run: Any) -> int:
        await asyncio.sleep(0.01 / value)
        run.show(value)
        return value

    drawing = bench.draw()
    many = drawing.add("many", bench.node(lambda: [1, 2, 4], id="Many"))
    node = bench.node(show, id="Show", concurrency=3)
    drawing.output("results", drawing.add("show", node, depth=1, depths={"value": 1}, value=many))
    assert bench.run(drawing).shown == {"show": (1, 2, 4)}
