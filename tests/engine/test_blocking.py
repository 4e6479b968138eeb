"""Blocked values: what does not run because of them, and how the reason is told."""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import pytest

from nodeflow.core.blocked import Blocked
from nodeflow.core.secrets import Vault
from nodeflow.core.spec import Form, Kind, Scope
from nodeflow.engine.blocking import blocked_in, first_blocked_whole, reason_in, without_blocked
from nodeflow.engine.events import NodeFinished, Status
from nodeflow.engine.runtime import Constant, Expansion
from nodeflow.storage.results import DiskResults
from tests.engine.conftest import Bench, Drawing, Link
from tests.engine.test_expansion import Recorder


def gated(bench: Bench, value: Any) -> tuple[Drawing, Link]:
    drawing = bench.draw()
    return drawing, drawing.add("gate", bench.node(lambda: value, id="Gate"))


def keep(bench: Bench) -> Any:
    return bench.node(lambda value: value, id="Keep")


def saving(bench: Bench) -> Any:
    return bench.node(lambda value: None, id="Save", kind=Kind.EFFECT, outputs=())


def test_everything_below_is_told_with_the_reason_and_a_result_is_absent_with_it(bench: Bench) -> None:
    drawing, gate = gated(bench, Blocked("closed"))
    kept = drawing.add("keep", keep(bench), value=gate)
    drawing.add("save", saving(bench), value=kept)
    drawing.output("kept", kept)
    result, events = bench.listen(drawing)
    assert bench.counts() == {"Gate": 1}
    assert result.values == {}
    assert result.withheld == {("keep", "out"): "closed"}
    assert result.blocked == {"gate": "closed", "keep": "closed", "save": "closed"}
    ended = {event.node: event for event in events if isinstance(event, NodeFinished)}
    assert (ended["gate"].status, ended["gate"].reason) == (Status.RAN, "closed")
    assert ended["save"] == NodeFinished("save", Status.SKIPPED, 0.0, "closed")


def test_without_a_reason_it_is_said_that_something_above_holds_it_back(bench: Bench) -> None:
    drawing, gate = gated(bench, Blocked())
    drawing.output("kept", drawing.add("keep", keep(bench), value=gate))
    assert bench.run(drawing).withheld == {("keep", "out"): "held back by a node above"}


def test_a_reason_tells_no_secret(bench: Bench) -> None:
    bench.vault = Vault()
    bench.vault.hide("hunter22")
    drawing, gate = gated(bench, Blocked("refused hunter22"))
    drawing.output("gate", gate)
    result, events = bench.listen(drawing)
    assert result.withheld == {("gate", "out"): "refused ***"}
    assert "hunter22" not in repr((result, events))


def test_what_is_remembered_as_blocked_blocks_again_with_the_reason(bench: Bench) -> None:
    drawing, gate = gated(bench, Blocked("closed"))
    drawing.add("save", saving(bench), value=gate)
    with bench.engine() as engine:
        for _ in range(2):
            result = bench.run(drawing, engine)
            assert result.blocked == {"gate": "closed", "save": "closed"}
    assert bench.counts() == {"Gate": 1}
    assert result.status["gate"] is Status.HIT_MEMORY


def test_it_is_kept_on_disk_as_well(bench: Bench, tmp_path: Path) -> None:
    drawing = bench.draw()
    gate = bench.node(lambda: [1, Blocked("no")], id="Gate", kind=Kind.EXTERNAL, scope=Scope.HOME, age=60)
    drawing.add("save", saving(bench), value=drawing.add("gate", gate))
    for _ in range(2):
        with bench.engine(disk=DiskResults(tmp_path, 1 << 20)) as engine:
            result = bench.run(drawing, engine)
            assert result.blocked == {"gate": "1 of 2 items: no", "save": "no"}
            assert not result.warnings
    assert bench.counts() == {"Gate": 1}


def test_an_equal_node_is_skipped_for_the_same_reason(bench: Bench) -> None:
    drawing, gate = gated(bench, Blocked("closed"))
    for name in ("one", "two"):
        drawing.output(name, drawing.add(name, keep(bench), value=gate))
    result = bench.run(drawing)
    assert result.blocked == {"gate": "closed", "one": "closed", "two": "closed"}
    assert {result.status["one"], result.status["two"]} == {Status.SKIPPED}


def test_an_effect_is_called_for_the_items_that_are_there(bench: Bench) -> None:
    drawing, gate = gated(bench, [1, Blocked("no"), Blocked("never")])
    drawing.add("save", saving(bench), depth=1, depths={"value": 1}, value=gate)
    result = bench.run(drawing)
    assert bench.counts() == {"Gate": 1, "Save": 1}
    assert result.blocked["save"] == "2 of 3 items: no"
    assert result.status["save"] is Status.RAN


@pytest.mark.parametrize(
    ("value", "other", "reason"),
    [(Blocked("all"), 1, "all"), ([1, 2], Blocked("other"), "other"), ([1, 2], [3, Blocked("in it")], "in it")],
)
def test_a_mapped_node_does_not_run_when_no_item_can(bench: Bench, value: Any, other: Any, reason: str) -> None:
    drawing, gate = gated(bench, value)
    more = drawing.add("more", bench.node(lambda: other, id="More"))
    pair = bench.node(lambda a, b: (a, b), id="Pair")
    drawing.output("pairs", drawing.add("pairs", pair, depth=1, depths={"a": 1}, a=gate, b=more))
    result = bench.run(drawing)
    assert result.withheld == {("pairs", "out"): reason}
    assert result.status["pairs"] is Status.SKIPPED


def test_a_blocked_item_of_a_list_inside_a_list_blocks_the_item_around_it(bench: Bench) -> None:
    drawing, gate = gated(bench, [[1], [2, Blocked("no")], [3]])
    total = bench.node(lambda values: sum(values), id="Total")
    drawing.output("totals", drawing.add("total", total, depth=1, depths={"values": 1}, values=gate))
    result = bench.run(drawing)
    assert result.values == {("total", "out"): [1, 3]}
    assert result.withheld == {("total", "out"): "1 of 3 items: no"}


def doubling(bench: Bench, **outputs: Any) -> Any:
    """An expander that doubles its input, and gives ``outputs`` as they are."""
    double = bench.node(lambda value: value * 2, id="Double")

    def expand(values: Mapping[str, Any], linked: Collection[str]) -> Expansion:
        recorder = Recorder(bench, linked)
        source = recorder.places.get("value", values.get("value"))
        inner = recorder.drawing.add("double", double, value=source)
        return recorder.result(out=inner, **{name: Constant(value) for name, value in outputs.items()})

    bench.expansions["Loop"] = expand
    return expand


@pytest.mark.parametrize("lazy", [(), ("value",)], ids=["given the value", "given a reference"])
def test_an_expander_below_hands_it_on(bench: Bench, lazy: tuple[str, ...]) -> None:
    doubling(bench)
    drawing, gate = gated(bench, Blocked("closed"))
    loop = bench.node(lambda value: None, id="Loop", form=Form.EXPANDER, lazy=lazy)
    drawing.output("kept", drawing.add("keep", keep(bench), value=drawing.add("loop", loop, value=gate)))
    drawing.output("loop", Link("loop", "out"))
    result = bench.run(drawing)
    assert result.withheld == {("keep", "out"): "closed", ("loop", "out"): "closed"}
    assert bench.counts() == ({"Gate": 1, "Loop": 1} if lazy else {"Gate": 1})


def test_an_expander_may_hold_one_of_its_outputs_back(bench: Bench) -> None:
    doubling(bench, none=Blocked("not this time"))
    drawing = bench.draw()
    loop = bench.node(lambda value: None, id="Loop", form=Form.EXPANDER, outputs=("out", "none"))
    drawing.output("out", drawing.add("loop", loop, value=4))
    drawing.output("none", Link("loop", "none"))
    drawing.output("kept", drawing.add("keep", keep(bench), value=Link("loop", "none")))
    with bench.engine() as engine:
        for _ in range(2):
            result = bench.run(drawing, engine)
            assert result.values == {("loop", "out"): 8}
            assert result.withheld == {("loop", "none"): "not this time", ("keep", "out"): "not this time"}


def test_a_lazy_node_that_asks_for_it_does_not_run_and_one_that_does_not_ask_runs(bench: Bench) -> None:
    async def switch(on: bool, yes: Any, no: Any) -> Any:
        return await (yes if on else no)

    drawing, gate = gated(bench, Blocked("closed"))
    node = bench.node(switch, id="Switch", lazy=("yes", "no"))
    drawing.output("asks", drawing.add("asks", node, on=True, yes=gate, no=1))
    drawing.output("other", drawing.add("other", node, on=False, yes=gate, no=1))
    result = bench.run(drawing)
    assert result.values == {("other", "out"): 1}
    assert result.withheld == {("asks", "out"): "closed"}


def test_words_for_what_is_blocked() -> None:
    blocked = Blocked("no")
    assert blocked_in([1, [2, [blocked]]]) is blocked
    assert blocked_in([1, [2, "x"]]) is None
    assert without_blocked([1, [blocked, 2], blocked]) == [1, [2]]
    assert without_blocked(3) == 3
    assert reason_in([1, [[1, blocked], [2]]]) == "1 of 3 items: no"
    assert reason_in([1, [2]]) == ""
    assert first_blocked_whole({"a": [blocked]}, {"a": 1}) is None
