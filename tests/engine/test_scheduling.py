"""Any graph: everything needed runs once, after what it needs, whatever fails beside it."""

import threading
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nodeflow.core.spec import Lane
from nodeflow.engine.events import Status


@st.composite
def shapes(draw: Any) -> list[tuple[list[int], str, bool]]:
    """For every node: where its inputs come from, how it runs, and whether it fails."""
    count = draw(st.integers(1, 14))
    return [
        (
            draw(st.lists(st.integers(0, index - 1), max_size=3)) if index else [],
            draw(st.sampled_from(("device", "cpu", "async", "switch"))),
            draw(st.integers(0, 9)) == 0,
        )
        for index in range(count)
    ]


class Watched:
    """Nodes that note when they begin, and that check that what they need has ended."""

    def __init__(self, bench: Any, shape: list[tuple[list[int], str, bool]]) -> None:
        self.bench = bench
        self.shape = shape
        self.begun: list[int] = []
        self.ended: set[int] = set()
        self.lock = threading.Lock()

    def work(self, name: int, values: tuple[Any, ...]) -> int:
        with self.lock:
            self.begun.append(name)
            sources = self.shape[name][0]
            assert all(source in self.ended for source in self.needed(name, sources))
        if self.shape[name][2]:
            raise ValueError("told to fail")
        with self.lock:
            self.ended.add(name)
        return name

    def needed(self, name: int, sources: list[int]) -> list[int]:
        return sources[:1] if self.shape[name][1] == "switch" else sources

    def drawing(self) -> Any:
        def plain(name: int, a: Any = None, b: Any = None, c: Any = None) -> int:
            return self.work(name, (a, b, c))

        async def awaiting(name: int, a: Any = None, b: Any = None, c: Any = None) -> int:
            return self.work(name, (a, b, c))

        async def first(name: int, a: Any = None, b: Any = None, c: Any = None) -> int:
            return self.work(name, (await a,))

        bench = self.bench
        specs = {
            "device": bench.node(plain, id="Device"),
            "cpu": bench.node(plain, id="Cpu", lane=Lane.CPU),
            "async": bench.node(awaiting, id="Async"),
            "switch": bench.node(first, id="Switch", lazy=("a", "b", "c")),
        }
        drawing = bench.draw()
        links: list[Any] = []
        for name, (sources, kind, _) in enumerate(self.shape):
            inputs = {letter: links[source] for letter, source in zip("abc", sources, strict=False)}
            links.append(drawing.add(f"n{name}", specs[kind], name=name, **inputs))
        drawing.output("last", links[-1])
        if len(links) > 2:
            drawing.output("middle", links[len(links) // 2])
        return drawing

    @property
    def wanted(self) -> set[int]:
        last = len(self.shape) - 1
        return {last, len(self.shape) // 2} if last > 1 else {last}

    def good(self) -> set[int]:
        """Nodes that can have a value, by the rules alone."""
        good: set[int] = set()
        for name, (sources, _, fails) in enumerate(self.shape):
            if not fails and good.issuperset(self.needed(name, sources)):
                good.add(name)
        return good

    def above(self, names: set[int]) -> set[int]:
        """``names`` and all that they need."""
        found: set[int] = set()
        work = list(names)
        while work:
            name = work.pop()
            if name not in found:
                found.add(name)
                work += self.needed(name, self.shape[name][0])
        return found


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(shape=shapes())
def test_each_needed_node_runs_once_in_order_and_failures_stay_where_they_are(
    bench: Any, shape: list[tuple[list[int], str, bool]]
) -> None:
    watched = Watched(bench, shape)
    drawing = watched.drawing()
    good = watched.good()
    with bench.engine() as engine:
        result = bench.run(drawing, engine)
        begun = watched.begun.copy()
        assert len(begun) == len(set(begun))
        assert watched.above(good & watched.wanted) <= set(begun) <= watched.above(watched.wanted)
        assert watched.ended <= good
        assert {node for node, _ in result.values} == {f"n{name}" for name in good & watched.wanted}
        told_to_fail = {f"n{name}" for name in begun if shape[name][2]}
        assert {failure.node for failure in result.failures} == told_to_fail
        assert {node for node, status in result.status.items() if status is Status.FAILED} == told_to_fail
        watched.begun.clear()
        again = bench.run(drawing, engine)
    assert again.values == result.values
    repeated = {name for name in watched.begun if name in good}
    assert {shape[name][1] for name in repeated} <= {"switch"} or result.failures
    if not result.failures:
        assert set(begun) == watched.above(watched.wanted)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(shape=shapes())
def test_a_cache_without_room_changes_no_result(bench: Any, shape: list[tuple[list[int], str, bool]]) -> None:
    watched = Watched(bench, shape)
    with bench.engine(budget=0) as engine:
        result = bench.run(watched.drawing(), engine)
    assert {node for node, _ in result.values} == {f"n{name}" for name in watched.good() & watched.wanted}
