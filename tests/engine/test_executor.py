"""What runs, what is remembered, and what is said about it."""

from enum import Enum
from pathlib import Path
from typing import Any

import pytest

from nodeflow.core.blocked import Blocked
from nodeflow.core.spec import Kind
from nodeflow.engine.events import (
    NodeFailedEvent,
    NodeFinished,
    NodeStarted,
    Progress,
    RunFinished,
    RunStarted,
    Saved,
    Shown,
    Status,
    Warned,
)
from nodeflow.engine.runtime import Cancel


def chain(bench: Any, length: int, start: int = 0, last: int = 1) -> Any:
    add = bench.node(lambda value, by: value + by, id="Add")
    drawing = bench.draw()
    link: Any = start
    for number in range(length):
        link = drawing.add(f"n{number}", add, value=link, by=last if number == length - 1 else 1)
    drawing.output("result", link)
    return drawing


def test_a_finished_graph_runs_nothing_again(bench: Any) -> None:
    with bench.engine() as engine:
        assert bench.run(chain(bench, 5), engine).values == {("n4", "out"): 5}
        assert bench.counts() == {"Add": 5}
        again = bench.run(chain(bench, 5), engine)
    assert again.values == {("n4", "out"): 5}
    assert bench.counts() == {}
    assert again.status["n4"] is Status.HIT_MEMORY
    assert again.status["n0"] is Status.SKIPPED


def test_changing_the_last_node_runs_one_node(bench: Any) -> None:
    with bench.engine() as engine:
        bench.run(chain(bench, 600), engine)
        bench.counts()
        assert bench.run(chain(bench, 600, last=2), engine).values == {("n599", "out"): 601}
    assert bench.counts() == {"Add": 1}


def test_the_result_does_not_depend_on_ids(bench: Any) -> None:
    with bench.engine() as engine:
        bench.run(chain(bench, 3), engine)
        bench.counts()
        renamed = chain(bench, 3)
        renamed.nodes = [type(node)(f"x{node.id}", *_rest(node)) for node in renamed.nodes]
        assert bench.run(renamed, engine).values == {("xn2", "out"): 3}
    assert bench.counts() == {}


def _rest(node: Any) -> tuple[Any, ...]:
    return node.spec, node.literals, node.record, node.wires, node.depth


def test_only_what_a_target_needs_runs(bench: Any) -> None:
    left, right = bench.node(lambda: 1, id="Left"), bench.node(lambda: 2, id="Right")
    save = bench.node(lambda value: None, id="Save", kind=Kind.EFFECT, outputs=())
    drawing = bench.draw()
    one = drawing.add("left", left)
    drawing.add("save", save, value=drawing.add("right", right))
    drawing.output("left", one)
    result = bench.run(drawing, targets=[drawing.place(one)])
    assert bench.counts() == {"Left": 1}
    assert result.values == {("left", "out"): 1}
    bench.run(drawing, targets=[(drawing.index["save"], "")])
    assert bench.counts() == {"Right": 1, "Save": 1}


def test_without_outputs_and_effects_every_loose_end_is_wanted(bench: Any) -> None:
    pair = bench.node(lambda: (1, 2), id="Pair", outputs=("left", "right"))
    keep = bench.node(lambda value: value, id="Keep")
    drawing = bench.draw()
    left = drawing.add("pair", pair)
    drawing.add("keep", keep, value=left)
    assert bench.run(drawing).values == {("pair", "right"): 2, ("keep", "out"): 1}


def test_effects_run_every_time_and_their_files_are_reported(bench: Any) -> None:
    def save(value: int, run: Any) -> None:
        run.save("picture", "png", bytes([value]))

    drawing = bench.draw()
    number = bench.node(lambda: 7, id="Number")
    node = bench.node(save, id="Save", kind=Kind.EFFECT, outputs=())
    drawing.add("save", node, value=drawing.add("number", number))
    with bench.engine() as engine:
        first, events = bench.listen(drawing, engine)
        second, later = bench.listen(drawing, engine)
    assert first.saved == {"save": ("/out/picture_00001.png",)}
    assert second.saved == {"save": ("/out/picture_00002.png",)}
    assert bench.counts() == {"Number": 1, "Save": 2}
    assert Saved("save", "/out/picture_00001.png") in events
    assert Saved("save", "/out/picture_00002.png", unchanged=True) in later, "the outside says so, and it is passed on"


def test_a_pure_node_may_not_write_files(bench: Any) -> None:
    drawing = bench.draw()
    drawing.add("cheat", bench.node(lambda run: run.save("a", "b", b""), id="Cheat"))
    (failure,) = bench.run(drawing).failures
    assert "only an effect may write files" in failure.message
    assert not bench.written


def test_external_nodes_run_every_time_and_refresh_what_is_below(bench: Any) -> None:
    clock = bench.node(lambda: 1, id="Clock", kind=Kind.EXTERNAL)
    keep = bench.node(lambda value: value, id="Keep")
    drawing = bench.draw()
    drawing.output("result", drawing.add("keep", keep, value=drawing.add("clock", clock)))
    with bench.engine() as engine:
        bench.run(drawing, engine)
        bench.run(drawing, engine)
        assert len(engine.memory) == 0
    assert bench.counts() == {"Clock": 2, "Keep": 2}


def test_equal_nodes_of_one_graph_run_once(bench: Any) -> None:
    keep = bench.node(lambda value: value, id="Keep")
    add = bench.node(lambda a, b: a + b, id="Add")
    drawing = bench.draw()
    left, right = drawing.add("left", keep, value=2), drawing.add("right", keep, value=2)
    drawing.output("sum", drawing.add("add", add, a=left, b=right))
    result = bench.run(drawing)
    assert result.values == {("add", "out"): 4}
    assert bench.counts() == {"Keep": 1, "Add": 1}
    assert {result.status["left"], result.status["right"]} == {Status.RAN, Status.HIT_MEMORY}


def test_equal_nodes_fail_once(bench: Any) -> None:
    fail = bench.node(lambda: 1 / 0, id="Fail")
    add = bench.node(lambda a, b: a + b, id="Add")
    drawing = bench.draw()
    drawing.output("sum", drawing.add("add", add, a=drawing.add("left", fail), b=drawing.add("right", fail)))
    result = bench.run(drawing)
    assert len(result.failures) == 1
    assert bench.counts() == {"Fail": 1}


def test_without_cache_everything_runs_and_nothing_is_remembered(bench: Any) -> None:
    with bench.engine() as engine:
        bench.run(chain(bench, 3), engine)
        bench.run(chain(bench, 3), engine, use_cache=False)
        assert bench.counts() == {"Add": 6}
        bench.run(chain(bench, 4), engine, use_cache=False)
        assert len(engine.memory) == 3


def test_with_no_room_at_all_every_node_still_runs_once_per_run(bench: Any) -> None:
    keep = bench.node(lambda value: value, id="Keep")
    add = bench.node(lambda a, b: a + b, id="Add")
    drawing = bench.draw()
    root = drawing.add("root", keep, value=1)
    left = drawing.add("left", add, a=root, b=root)
    right = drawing.add("right", add, a=root, b=left)
    drawing.output("sum", drawing.add("sum", add, a=left, b=right))
    with bench.engine(budget=0) as engine:
        assert bench.run(drawing, engine).values == {("sum", "out"): 5}
    assert bench.counts() == {"Keep": 1, "Add": 3}


def test_events_tell_the_run_in_order(bench: Any) -> None:
    drawing = chain(bench, 2)
    with bench.engine() as engine:
        _, events = bench.listen(drawing, engine)
        assert [type(event) for event in events] == [
            RunStarted,
            NodeStarted,
            NodeFinished,
            NodeStarted,
            NodeFinished,
            RunFinished,
        ]
        assert events[0] == RunStarted(2)
        _, events = bench.listen(drawing, engine)
        assert events[:2] == [RunStarted(0), NodeFinished("n1", Status.HIT_MEMORY, 0.0)]


def test_a_listener_that_raises_is_reported_and_changes_nothing(bench: Any) -> None:
    heard: list[object] = []

    def listener(event: object) -> None:
        heard.append(event)
        raise RuntimeError("no more")

    result = bench.run(chain(bench, 3), on_event=listener)
    assert result.values == {("n2", "out"): 3}
    assert len(heard) == 1
    assert result.warnings == (Warned("", "the listener raised RuntimeError: no more"),)


def test_progress_and_previews_are_counted_by_the_engine(bench: Any) -> None:
    looked: list[int] = []

    def work(run: Any) -> int:
        def preview(step: int) -> str:
            looked.append(step)
            return f"step {step}"

        return sum(run.track(iter([10, 20]), total=2, preview=preview))

    drawing = bench.draw()
    drawing.add("work", bench.node(work, id="Work"))
    _, events = bench.listen(drawing)
    assert [event for event in events if isinstance(event, Progress)] == [
        Progress("work", 1, 2),
        Progress("work", 2, 2),
    ]
    assert not looked
    _, events = bench.listen(drawing, previews=True)
    assert Progress("work", 2, 2, "step 20") in events
    assert looked == [10, 20]


def test_what_a_node_says_and_shows_is_said_and_shown_again_from_memory(bench: Any) -> None:
    def talk(run: Any) -> int:
        run.warn("cut after 77 tokens")
        run.show("a text")
        return 1

    drawing = bench.draw()
    drawing.add("talk", bench.node(talk, id="Talk"))
    with bench.engine() as engine:
        for _ in range(2):
            result, events = bench.listen(drawing, engine)
            assert result.warnings == (Warned("talk", "cut after 77 tokens"),)
            assert result.shown == {"talk": ("a text",)}
            assert Warned("talk", "cut after 77 tokens") in events
            assert Shown("talk", "a text") in events
        assert bench.counts() == {"Talk": 1}
        strict = bench.run(drawing, engine, strict=True)
    assert [(failure.node, failure.message) for failure in strict.failures] == [("talk", "cut after 77 tokens")]
    assert strict.failures[0].traceback is None
    assert not strict.values


def test_strict_fails_the_node_that_warns(bench: Any) -> None:
    drawing = bench.draw()
    drawing.add("talk", bench.node(lambda run: run.warn("odd"), id="Talk"))
    result, events = bench.listen(drawing, strict=True)
    assert [failure.message for failure in result.failures] == ["odd"]
    assert NodeFailedEvent("talk", "odd", None) in events


def test_a_node_sees_device_precision_token_provenance_and_extensions(bench: Any) -> None:
    def look(run: Any) -> list[object]:
        return [run.device, run.dtype, len(run.token), dict(run.provenance((1, 2))), dict(run.extensions("samplers"))]

    drawing = bench.draw()
    drawing.add("look", bench.node(look, id="Look"))
    assert bench.run(drawing, device="cuda:1", dtype="bf16").values["look", "out"] == [
        "cuda:1",
        "bf16",
        64,
        {"node": "look", "item": "(1, 2)"},
        {"table": "samplers"},
    ]


def test_a_node_asks_for_a_setting_of_its_pack(bench: Any) -> None:
    bench.settings = {"Look.quality": 90}
    drawing = bench.draw()
    drawing.add("look", bench.node(lambda run: run.setting("quality"), id="Look"))
    drawing.add("odd", bench.node(lambda run: run.setting("speed"), id="Odd"))
    result = bench.run(drawing)
    assert result.values["look", "out"] == 90
    assert [failure.message for failure in result.failures] == ["KeyError: 'Odd.speed'"]


def test_literals_arrive_as_the_types_they_are_declared_with(bench: Any) -> None:
    def look(file: Path, files: object, none: object, number: float, maybe: float | None, plain: int) -> list[object]:
        return [file, files, none, number, maybe, plain]

    class Choice(Enum):
        A = "a"

    bench.fingerprints |= {"m.safetensors": "1", "n.safetensors": "2"}
    node = bench.node(look, id="Look", files=("file", "files", "none"), types={"number": "float", "maybe": "float"})
    drawing = bench.draw()
    drawing.add(
        "look",
        node,
        file="m.safetensors",
        files=["m.safetensors", "n.safetensors"],
        none=None,
        number=4,
        maybe=None,
        plain=4,
    )
    values = bench.run(drawing).values["look", "out"]
    assert values == [
        Path("/models/m.safetensors"),
        [Path("/models/m.safetensors"), Path("/models/n.safetensors")],
        None,
        4.0,
        None,
        4,
    ]
    assert [type(value) for value in values[3:]] == [float, type(None), int]


def test_a_file_that_has_gone_is_the_users_mistake_and_stops_only_its_branch(bench: Any) -> None:
    load = bench.node(lambda file: file, id="Load", files=("file",))
    keep = bench.node(lambda value: value, id="Keep")
    drawing = bench.draw()
    drawing.output("lost", drawing.add("keep", keep, value=drawing.add("load", load, file="gone.safetensors")))
    drawing.output("here", drawing.add("other", keep, value=1))
    result, events = bench.listen(drawing)
    assert [(failure.node, failure.input, failure.traceback) for failure in result.failures] == [("load", "file", None)]
    assert isinstance(events[0], RunStarted)
    assert result.values == {("other", "out"): 1}
    assert result.status == {"load": Status.FAILED, "keep": Status.SKIPPED, "other": Status.RAN}


@pytest.mark.parametrize("awaits", [True, False])
def test_a_file_that_changes_while_it_is_read_is_not_remembered(bench: Any, awaits: bool) -> None:
    def load(file: Path) -> str:
        bench.fingerprints["m"] = "new"
        return "half old, half new"

    async def load_later(file: Path) -> str:
        return load(file)

    bench.fingerprints["m"] = "old"
    drawing = bench.draw()
    drawing.add("load", bench.node(load_later if awaits else load, id="Load", files=("file",)), file="m")
    with bench.engine() as engine:
        (failure,) = bench.run(drawing, engine).failures
        assert (failure.input, failure.message) == ("file", "m changed while it was read; run again")
        assert bench.run(drawing, engine).values == {("load", "out"): "half old, half new"}


def test_a_blocked_value_keeps_what_is_below_from_running_and_is_no_failure(bench: Any) -> None:
    gate = bench.node(lambda: Blocked("closed"), id="Gate")
    keep = bench.node(lambda value: value, id="Keep")
    whole = bench.node(lambda values: values, id="Whole")
    save = bench.node(lambda value: None, id="Save", kind=Kind.EFFECT, outputs=())
    drawing = bench.draw()
    gated = drawing.add("gate", gate)
    kept = drawing.add("keep", keep, value=gated)
    drawing.add("save", save, value=kept)
    drawing.output("other", drawing.add("other", keep, value=1))
    drawing.output("whole", drawing.add("whole", whole, values=[1]))
    result = bench.run(drawing)
    assert not result.failures
    assert bench.counts() == {"Gate": 1, "Keep": 1, "Whole": 1}
    assert result.status["save"] is Status.SKIPPED

    drawing = bench.draw()
    some = bench.node(lambda: [1, Blocked()], id="Some")
    drawing.output("whole", drawing.add("whole", whole, values=drawing.add("some", some)))
    assert bench.run(drawing).status["whole"] is Status.SKIPPED


def test_a_wrong_number_of_outputs_is_named(bench: Any) -> None:
    drawing = bench.draw()
    drawing.add("pair", bench.node(lambda: (1, 2, 3), id="Pair", outputs=("a", "b")))
    drawing.add("one", bench.node(lambda: 1, id="One", outputs=("a", "b")))
    messages = sorted(failure.message for failure in bench.run(drawing).failures)
    assert messages == [
        "TypeError: One returned 1 values, but declares 2",
        "TypeError: Pair returned 3 values, but declares 2",
    ]


def test_a_graph_without_nodes_is_no_problem(bench: Any) -> None:
    assert bench.run(bench.draw()).values == {}


def test_a_cancel_before_the_run_runs_nothing(bench: Any) -> None:
    cancel = Cancel()
    cancel.request()
    result = bench.run(chain(bench, 3), cancel=cancel)
    assert result.cancelled
    assert bench.counts() == {}


@pytest.mark.parametrize("depth", [3000])
def test_a_deep_graph_needs_no_recursion(bench: Any, depth: int) -> None:
    with bench.engine() as engine:
        assert bench.run(chain(bench, depth), engine).values == {(f"n{depth - 1}", "out"): depth}
