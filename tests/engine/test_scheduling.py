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

    def expected(self) -> tuple[set[int], set[int]]:
        """Nodes that run, and of those the ones that give a value, by the rules alone."""
        wanted = {len(self.shape) - 1}
        if len(self.shape) > 2:
            wanted.add(len(self.shape) // 2)
        good: set[int] = set()
        for name, (sources, _, fails) in enumerate(self.shape):
            if not fails and all(source in good for source in self.needed(name, sources)):
                good.add(name)
        needed: set[int] = set()
        work = list(wanted)
        while work:
            name = work.pop()
            if name not in needed:
                needed.add(name)
                work += self.needed(name, self.shape[name][0])
        runs = {name for name in needed if all(source in good for source in self.needed(name, self.shape[name][0]))}
        return runs, good & needed


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(shape=shapes(), no_room=st.booleans())
def test_each_needed_node_runs_once_in_order_and_failures_stay_where_they_are(
    bench: Any, shape: list[tuple[list[int], str, bool]], no_room: bool
) -> None:
    watched = Watched(bench, shape)
    drawing = watched.drawing()
    runs, good = watched.expected()
    with bench.engine(budget=0 if no_room else 1 << 30) as engine:
        result = bench.run(drawing, engine)
        if not no_room:
            assert sorted(watched.begun) == sorted(runs)
        assert set(watched.begun) == runs
        assert watched.ended == good
        failed = {int(failure.node[1:]) for failure in result.failures}
        assert failed == runs - good
        assert {node for node, status in result.status.items() if status is Status.FAILED} == {
            f"n{name}" for name in failed
        }
        wanted = {f"n{len(shape) - 1}", f"n{len(shape) // 2}"} if len(shape) > 2 else {f"n{len(shape) - 1}"}
        assert {node for node, _ in result.values} == {f"n{name}" for name in good} & wanted
        if no_room:
            return
        watched.begun.clear()
        again = bench.run(drawing, engine)
        assert again.values == result.values
        above_failures = {name for name in watched.begun if name in good and shape[name][1] != "switch"}
        assert not above_failures or result.failures
        if not result.failures:
            assert not watched.begun or {shape[name][1] for name in watched.begun} == {"switch"}
