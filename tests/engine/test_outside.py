"""External nodes: how far and how long an answer is remembered, asking again on demand, and what explain foresees."""

import time
from pathlib import Path
from typing import Any

import pytest

from nodeflow.core.blocked import Blocked
from nodeflow.core.errors import UsageError
from nodeflow.core.spec import Form, Kind, Scope
from nodeflow.engine.cache import Entry
from nodeflow.engine.events import Status
from nodeflow.engine.explain import NodeExplanation, explain
from nodeflow.engine.outside import Stamp
from nodeflow.engine.prospects import duration
from nodeflow.engine.runtime import Cancel
from nodeflow.storage.results import DiskResults
from tests.engine.conftest import Bench, Link, Sheet
from tests.engine.test_expansion import Recorder


class World:
    """Something outside that gives another answer each time it is asked."""

    def __init__(self, bench: Bench, answers: Any = None) -> None:
        self.bench = bench
        self.asked = 0
        self.answers = answers or (lambda number: number)

    def ask(self, what: str) -> Any:
        self.asked += 1
        return self.answers(self.asked)

    def node(self, scope: Scope = Scope.SESSION, age: float = 60, **options: Any) -> Any:
        return self.bench.node(self.ask, id="Ask", kind=Kind.EXTERNAL, scope=scope, age=age, **options)

    def drawing(self, scope: Scope = Scope.SESSION, age: float = 60, what: str = "weather", **more: str) -> Any:
        """``ask`` and ``below``, which doubles the answer; and further nodes that ask ``more``."""
        drawing = self.bench.draw()
        node = self.node(scope, age)
        below = self.bench.node(lambda value: [value] * 2, id="Below")
        for name, asks in {"ask": what, **more}.items():
            link = drawing.add(name, node, what=asks)
            drawing.output(f"below_{name}", drawing.add(f"below_{name}", below, value=link))
        return drawing


@pytest.fixture
def world(bench: Bench) -> World:
    return World(bench)


def reopened(folder: Path) -> DiskResults:
    return DiskResults(folder, 1 << 24)


def below(result: Any, name: str = "ask") -> Any:
    return result.values[f"below_{name}", "out"]


def test_within_its_age_an_answer_and_all_below_it_is_remembered(bench: Bench, world: World) -> None:
    with bench.engine() as engine:
        assert below(bench.run(world.drawing(), engine)) == [1, 1]
        bench.counts()
        bench.now += 59
        result = bench.run(world.drawing(), engine)
        assert below(result) == [1, 1]
        assert bench.counts() == {}
        assert result.status["below_ask"] is Status.HIT_MEMORY
        bench.now += 1
        assert below(bench.run(world.drawing(), engine)) == [2, 2]
        assert bench.counts() == {"Ask": 1, "Below": 1}


def test_an_answer_counts_from_when_it_was_given_and_one_of_the_future_is_none(bench: Bench, world: World) -> None:
    with bench.engine() as engine:
        bench.run(world.drawing(), engine)
        bench.now -= 10
        assert below(bench.run(world.drawing(), engine)) == [2, 2]


def test_what_was_asked_decides_and_so_does_the_code(bench: Bench, world: World) -> None:
    with bench.engine() as engine:
        bench.run(world.drawing(), engine)
        assert below(bench.run(world.drawing(what="news"), engine)) == [2, 2]
        assert below(bench.run(world.drawing(), engine)) == [1, 1]
        bench.digest = "other code"
        assert below(bench.run(world.drawing(), engine)) == [3, 3]


def test_at_age_zero_each_node_asks_for_itself(bench: Bench, world: World) -> None:
    with bench.engine() as engine:
        for expected in ([1, 1], [2, 2]), ([3, 3], [4, 4]):
            result = bench.run(world.drawing(age=0, other="weather"), engine)
            assert (below(result), below(result, "other")) == expected


@pytest.mark.parametrize("scope", list(Scope))
def test_the_same_call_is_made_once_in_a_run(bench: Bench, world: World, scope: Scope) -> None:
    drawing = world.drawing(scope, other="weather", third="news")
    places = [(drawing.index[name], "out") for name in ("ask", "other", "third")]
    result = bench.run(drawing, targets=places)
    assert [*result.values.values()] == [1, 1, 2]
    assert result.status["other"] is Status.HIT_MEMORY


def test_remembered_for_the_run_means_not_for_the_next(bench: Bench, world: World) -> None:
    with bench.engine() as engine:
        bench.run(world.drawing(Scope.RUN), engine)
        assert below(bench.run(world.drawing(Scope.RUN), engine)) == [2, 2]
        assert len(engine.memory) == 0


def test_a_failure_is_not_remembered_and_equal_calls_fail_together(bench: Bench) -> None:
    def answers(number: int) -> int:
        if number == 1:
            raise ValueError("no connection")
        return number

    world = World(bench, answers)
    with bench.engine() as engine:
        result = bench.run(world.drawing(other="weather"), engine)
        assert len(result.failures) == 1
        assert world.asked == 1
        assert below(bench.run(world.drawing(), engine)) == [2, 2]


def test_an_answer_for_the_home_survives_a_restart_and_expires_there_too(
    bench: Bench, world: World, tmp_path: Path
) -> None:
    with bench.engine(disk=reopened(tmp_path)) as engine:
        bench.run(world.drawing(Scope.HOME), engine)
    bench.counts()
    bench.now += 30
    with bench.engine(disk=reopened(tmp_path)) as engine:
        result = bench.run(world.drawing(Scope.HOME), engine)
        assert below(result) == [1, 1]
        assert bench.counts() == {"Below": 1}, "too quick to be worth a file"
        assert result.status["ask"] is Status.HIT_DISK
    bench.now += 30
    with bench.engine(disk=reopened(tmp_path)) as engine:
        assert below(bench.run(world.drawing(Scope.HOME), engine)) == [2, 2]


def test_an_answer_for_the_session_leaves_no_file_and_neither_does_what_is_below(bench: Bench, tmp_path: Path) -> None:
    def slow(number: int) -> int:
        time.sleep(0.04)
        return number

    world = World(bench, slow)
    with bench.engine(disk=reopened(tmp_path)) as engine:
        bench.run(world.drawing(), engine)
        assert bench.run(world.drawing(), engine).status["below_ask"] is Status.HIT_MEMORY
    assert not reopened(tmp_path).known()


def test_another_process_may_have_asked_meanwhile(bench: Bench, world: World, tmp_path: Path) -> None:
    with bench.engine(disk=reopened(tmp_path)) as one, bench.engine(disk=reopened(tmp_path)) as other:
        bench.run(world.drawing(Scope.HOME), one)
        bench.now += 60
        assert below(bench.run(world.drawing(Scope.HOME), other)) == [2, 2]
        assert below(bench.run(world.drawing(Scope.HOME), one)) == [2, 2]


def test_an_answer_that_was_dropped_is_asked_for_again_with_all_below(bench: Bench, world: World) -> None:
    with bench.engine() as engine:
        bench.run(world.drawing(), engine)
        kept = {key: entry for key, entry in engine.memory._entries.items() if entry.label != "Ask"}
        engine.memory.clear()
        for key, entry in kept.items():
            engine.memory.put(key, Entry(entry.outputs, 1, 1, entry.label))
        assert below(bench.run(world.drawing(), engine)) == [2, 2]


def test_a_damaged_stamp_on_disk_is_no_stamp(bench: Bench, world: World, tmp_path: Path) -> None:
    with bench.engine(disk=reopened(tmp_path)) as engine:
        bench.run(world.drawing(Scope.HOME), engine)
    for path in tmp_path.glob("*.result"):
        path.write_bytes(b"damaged")
    with bench.engine(disk=reopened(tmp_path)) as engine:
        assert below(bench.run(world.drawing(Scope.HOME), engine)) == [2, 2]


def test_what_is_held_is_used_although_it_was_dropped_meanwhile(bench: Bench, world: World) -> None:
    """The answer is needed again after the plan has been made, when memory has run out in between."""
    with bench.engine() as engine:
        bench.run(world.drawing(), engine)
        drawing = world.drawing()
        hungry = bench.node(lambda: engine.memory.clear() and 0, id="Hungry")
        hungry_link = drawing.add("hungry", hungry)
        drawing.outputs.clear()
        switch = bench.node(late, id="Switch", lazy=("value",))
        drawing.output("late", drawing.add("switch", switch, first=hungry_link, value=Link("ask", "out")))
        assert bench.run(drawing, engine).values == {("switch", "out"): 1}
    assert world.asked == 1


async def late(first: Any, value: Any) -> Any:
    return await value


def test_what_cannot_be_kept_in_the_home_is_said(bench: Bench, tmp_path: Path) -> None:
    world = World(bench, lambda number: object())
    with bench.engine(disk=reopened(tmp_path)) as engine:
        result = bench.run(world.drawing(Scope.HOME), engine)
    assert [warning.message for warning in result.warnings] == [
        "Ask: its result cannot be kept on disk: object has no codec"
    ]


def test_a_value_with_a_codec_is_kept_in_the_home_whatever_it_cost(bench: Bench, tmp_path: Path) -> None:
    world = World(bench, lambda number: Sheet(bytes([number])))
    with bench.engine(disk=reopened(tmp_path)) as engine:
        bench.run(world.drawing(Scope.HOME), engine)
    with bench.engine(disk=reopened(tmp_path)) as engine:
        assert below(bench.run(world.drawing(Scope.HOME), engine))[0].data == b"\1"


def test_below_an_answer_for_the_run_nothing_lasts_longer(bench: Bench, world: World, tmp_path: Path) -> None:
    drawing = bench.draw()
    clock = drawing.add("clock", bench.node(world.ask, id="Clock", kind=Kind.EXTERNAL), what="time")
    ask = bench.node(lambda what: world.ask(what), id="Ask", kind=Kind.EXTERNAL, scope=Scope.HOME, age=60)
    drawing.output("answer", drawing.add("ask", ask, what=clock))
    with bench.engine(disk=reopened(tmp_path)) as engine:
        assert bench.run(drawing, engine).values == {("ask", "out"): 2}
        assert bench.run(drawing, engine).values == {("ask", "out"): 4}
        assert len(engine.memory) == 0


def test_below_an_answer_for_the_session_one_for_the_home_is_one_for_the_session(
    bench: Bench, world: World, tmp_path: Path
) -> None:
    drawing = bench.draw()
    clock = bench.node(lambda: world.ask("time"), id="Clock", kind=Kind.EXTERNAL, scope=Scope.SESSION, age=60)
    ask = bench.node(lambda what: world.ask(what), id="Ask", kind=Kind.EXTERNAL, scope=Scope.HOME, age=60)
    drawing.output("answer", drawing.add("ask", ask, what=drawing.add("clock", clock)))
    with bench.engine(disk=reopened(tmp_path)) as engine:
        for _ in range(2):
            assert bench.run(drawing, engine).values == {("ask", "out"): 2}
    assert not reopened(tmp_path).known()


def test_without_cache_everything_is_asked_again_but_once_in_a_run(bench: Bench, world: World) -> None:
    with bench.engine() as engine:
        bench.run(world.drawing(), engine)
        result = bench.run(world.drawing(other="weather"), engine, use_cache=False)
        assert below(result) == below(result, "other") == [2, 2]
        assert below(bench.run(world.drawing(), engine)) == [1, 1]


def test_a_node_that_awaits_its_inputs_always_asks_again(bench: Bench) -> None:
    asked: list[int] = []

    async def ask(value: Any) -> int:
        asked.append(await value)
        return len(asked)

    drawing = bench.draw()
    node = bench.node(ask, id="Ask", lazy=("value",), kind=Kind.EXTERNAL, scope=Scope.SESSION, age=60)
    drawing.output("answer", drawing.add("ask", node, value=drawing.add("one", bench.node(lambda: 1, id="One"))))
    with bench.engine() as engine:
        assert [bench.run(drawing, engine).values["ask", "out"] for _ in range(2)] == [1, 2]


# Asking again on demand.


def test_one_node_or_all_are_asked_again_and_the_new_answer_is_remembered(bench: Bench, world: World) -> None:
    with bench.engine() as engine:
        bench.run(world.drawing(other="news"), engine)
        result = bench.run(world.drawing(other="news"), engine, refresh=["ask"])
        assert (below(result), below(result, "other")) == ([3, 3], [2, 2])
        result = bench.run(world.drawing(other="news"), engine)
        assert (below(result), below(result, "other")) == ([3, 3], [2, 2])
        result = bench.run(world.drawing(other="news"), engine, refresh=True)
        assert (below(result), below(result, "other")) == ([4, 4], [5, 5])


@pytest.mark.parametrize("names", [["ask"], ["other"], ["ask", "other"]])
def test_asking_again_is_done_once_for_equal_calls(bench: Bench, world: World, names: list[str]) -> None:
    with bench.engine() as engine:
        bench.run(world.drawing(), engine)
        result = bench.run(world.drawing(other="weather"), engine, refresh=names)
        assert world.asked == 2
        assert below(result, "other") == [2, 2]
        assert below(bench.run(world.drawing(), engine)) == [2, 2]


def in_a_loop(bench: Bench, world: World) -> Any:
    ask = world.node()

    def expand(values: Any, linked: Any) -> Any:
        recorder = Recorder(bench, linked)
        return recorder.result(out=recorder.drawing.add("ask", ask, what="weather"))

    bench.expansions["Loop"] = expand
    drawing = bench.draw()
    drawing.output("answer", drawing.add("loop", bench.node(lambda: None, id="Loop", form=Form.EXPANDER)))
    return drawing


@pytest.mark.parametrize("name", ["loop", "loop/ask"])
def test_a_path_names_what_an_expander_recorded(bench: Bench, world: World, name: str) -> None:
    with bench.engine() as engine:
        bench.run(in_a_loop(bench, world), engine)
        assert bench.run(in_a_loop(bench, world), engine).values == {("loop", "out"): 1}
        assert bench.run(in_a_loop(bench, world), engine, refresh=[name]).values == {("loop", "out"): 2}


def test_a_name_that_means_no_external_node_is_refused(bench: Bench, world: World) -> None:
    with pytest.raises(UsageError, match=r'there is no node "aks".*ask'):
        bench.run(world.drawing(), refresh=["aks"])
    with pytest.raises(UsageError, match=r'there is no node "zzzzzz"$'):
        bench.run(world.drawing(), refresh=["zzzzzz"])
    with pytest.raises(UsageError, match='Below "below_ask" is not external: it changes with its inputs only'):
        bench.run(world.drawing(), refresh=["below_ask"])


# What explain foresees.


def foreseen(bench: Bench, engine: Any, drawing: Any, **options: Any) -> dict[str, NodeExplanation]:
    found = explain(drawing.graph(), bench, engine.memory, engine.disk, clock=lambda: bench.now, **options)
    return {item.node: item for item in found}


@pytest.mark.parametrize("scope", [Scope.SESSION, Scope.HOME])
def test_explain_tells_for_how_long_an_answer_holds(bench: Bench, world: World, tmp_path: Path, scope: Scope) -> None:
    with bench.engine(disk=reopened(tmp_path)) as engine:
        drawing = world.drawing(scope)
        place = [(drawing.index["ask"], "out")]
        assert foreseen(bench, engine, drawing)["ask"].reasons == ("it has not run here before",)
        bench.run(drawing, engine)
        bench.now += 18
        found = foreseen(bench, engine, drawing, targets=place)["ask"]
        assert (found.state, found.reasons) == ("hit-memory", ("remembered for another 42 s",))
        assert foreseen(bench, engine, drawing)["below_ask"].state == "hit-memory"
        bench.now += 42
        found = foreseen(bench, engine, drawing)["ask"]
        assert (found.state, found.reasons) == ("run", ("its result is older than 60 s",))
        assert foreseen(bench, engine, drawing)["below_ask"].reasons == ("value: ask above it changed",)
        found = foreseen(bench, engine, drawing, refresh=True)["ask"]
        assert (found.state, found.reasons) == ("run", ("it is to be refreshed",))
    assert world.asked == 1


def test_explain_finds_an_answer_in_the_home(bench: Bench, world: World, tmp_path: Path) -> None:
    drawing = world.drawing(Scope.HOME)
    with bench.engine(disk=reopened(tmp_path)) as engine:
        bench.run(drawing, engine)
    with bench.engine(disk=reopened(tmp_path)) as engine:
        found = foreseen(bench, engine, drawing, targets=[(drawing.index["ask"], "out")])["ask"]
    assert (found.state, found.reasons) == ("hit-disk", ("remembered for another 60 s",))


def test_explain_tells_that_an_answer_was_not_kept(bench: Bench, world: World, tmp_path: Path) -> None:
    drawing = world.drawing(Scope.SESSION)
    with bench.engine(disk=reopened(tmp_path)) as engine:
        bench.run(drawing, engine)
        engine.memory.clear()
        assert foreseen(bench, engine, drawing)["ask"].reasons == ("its result was not kept",)
    stamps = {key: entry for key, entry in engine.memory._entries.items() if entry.label == "stamp"}
    assert not stamps


def test_explain_sees_a_stamp_without_its_answer(bench: Bench, world: World, tmp_path: Path) -> None:
    drawing = world.drawing(Scope.SESSION)
    with bench.engine(disk=reopened(tmp_path)) as engine:
        bench.run(drawing, engine)
        for key, entry in list(engine.memory._entries.items()):
            if entry.label == "Ask":
                engine.memory.drop(key)
        assert foreseen(bench, engine, drawing)["ask"].reasons == ("its result was not kept",)


def test_explain_tells_what_is_never_remembered_or_only_in_a_run(bench: Bench, world: World) -> None:
    with bench.engine() as engine:
        found = foreseen(bench, engine, world.drawing(age=0))["ask"].reasons
        assert found == ("it depends on the world outside, so it always runs",)
        found = foreseen(bench, engine, world.drawing(Scope.RUN))["ask"].reasons
        assert found == ("it depends on the world outside and is remembered within one run only",)
        with pytest.raises(UsageError):
            foreseen(bench, engine, world.drawing(), refresh=["nobody"])


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.4, "0.4 s"), (42, "42 s"), (119, "119 s"), (120, "2 min"), (7200, "2 h"), (86_400 * 30, "30 d")],
)
def test_lengths_of_time_are_said_in_the_largest_unit(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_a_stamp_is_read_back_as_it_was_kept() -> None:
    stamp = Stamp(1234.5, b"nonce")
    assert Stamp.of(stamp.entry(1.0)) == stamp


# Items of a mapped node whose run ended early.


class Crowd:
    """Answers items, except those that are refused."""

    def __init__(self, bench: Bench, awaits: bool = False) -> None:
        self.bench = bench
        self.refused: set[int] = set()
        self.asked: list[int] = []
        self.awaits = awaits

    def ask(self, value: int) -> int:
        self.asked.append(value)
        if value in self.refused:
            raise ValueError("refused")
        return value * 10

    def run(self, engine: Any, values: Any = (1, 2, 3), scope: Scope = Scope.SESSION, **options: Any) -> Any:
        async def ask_later(value: int) -> int:
            return self.ask(value)

        function = ask_later if self.awaits else self.ask
        drawing = self.bench.draw()
        node = self.bench.node(function, id="Ask", kind=Kind.EXTERNAL, scope=scope, age=60)
        many = drawing.add("many", self.bench.node(lambda: [*values], id="Many"))
        drawing.output("answers", drawing.add("ask", node, depth=1, depths={"value": 1}, value=many))
        self.asked.clear()
        return self.bench.run(drawing, engine, **options)


@pytest.mark.parametrize("awaits", [False, True])
def test_items_that_were_answered_before_one_failed_are_not_asked_for_again(bench: Bench, awaits: bool) -> None:
    crowd = Crowd(bench, awaits)
    crowd.refused = {3}
    with bench.engine() as engine:
        assert crowd.run(engine).failures
        assert crowd.asked == [1, 2, 3]
        assert crowd.run(engine).failures
        assert crowd.asked == [3]
        crowd.refused = set()
        assert crowd.run(engine).values == {("ask", "out"): [10, 20, 30]}
        assert crowd.asked == [3]
        assert crowd.run(engine).values == {("ask", "out"): [10, 20, 30]}
        assert crowd.asked == []


def test_they_survive_a_restart_in_the_home_but_not_their_age_nor_a_refresh(bench: Bench, tmp_path: Path) -> None:
    crowd = Crowd(bench)
    crowd.refused = {2}
    for refresh, seconds, asked in ((False, 0, [1, 2]), (False, 30, [2]), (True, 0, [1, 2]), (False, 60, [1, 2])):
        bench.now += seconds
        with bench.engine(disk=reopened(tmp_path)) as engine:
            assert crowd.run(engine, scope=Scope.HOME, refresh=refresh).failures
        assert crowd.asked == asked


def test_they_survive_a_cancel(bench: Bench) -> None:
    crowd = Crowd(bench)
    cancel = Cancel()
    inner = crowd.ask
    crowd.ask = lambda value: cancel.request() or inner(value) if value == 2 else inner(value)  # type: ignore[method-assign]

    def looked_after(value: int, run: Any) -> int:
        return next(iter(run.track([crowd.ask(value)])))

    drawing = bench.draw()
    node = bench.node(looked_after, id="Ask", kind=Kind.EXTERNAL, scope=Scope.SESSION, age=60)
    many = drawing.add("many", bench.node(lambda: [1, 2, 3], id="Many"))
    drawing.output("answers", drawing.add("ask", node, depth=1, depths={"value": 1}, value=many))
    with bench.engine() as engine:
        assert bench.run(drawing, engine, cancel=cancel).cancelled
        assert crowd.asked == [1, 2]
        assert bench.run(drawing, engine).values == {("ask", "out"): [10, 20, 30]}
    assert crowd.asked == [1, 2, 2, 3]


def test_items_are_not_remembered_where_nothing_is(bench: Bench) -> None:
    crowd = Crowd(bench)
    crowd.refused = {2}
    with bench.engine() as engine:
        for _ in range(2):
            assert crowd.run(engine, scope=Scope.RUN).failures
            assert crowd.asked == [1, 2]
        crowd.refused = {1}
        for _ in range(2):
            assert crowd.run(engine, (1, 5)).failures
            assert crowd.asked == [1]


def test_what_was_held_back_of_items_is_not_remembered(bench: Bench) -> None:
    crowd = Crowd(bench)
    crowd.refused = {3}
    with bench.engine() as engine:
        for asked in ([1, 3], [3]):
            assert crowd.run(engine, (1, Blocked("no"), 3)).failures
            assert crowd.asked == asked
        crowd.refused = set()
        result = crowd.run(engine, (1, Blocked("no"), 3))
    assert result.values == {("ask", "out"): [10, 30]}
    assert result.withheld == {("ask", "out"): "1 of 3 items: no"}
