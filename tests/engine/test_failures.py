"""A failing node: what its user reads, what its author reads, and what goes on."""

from typing import Any

import pytest

from nodeflow.core.errors import InputError, OutOfMemory, PackFailed, Problem, RecordedWrongly, UsageError
from nodeflow.core.spec import Kind, Lane
from nodeflow.engine.events import NodeFailedEvent, Status
from nodeflow.engine.failures import let_go, size_text


def single(bench: Any, function: Any, **options: Any) -> Any:
    drawing = bench.draw()
    drawing.add("node", bench.node(function, id="Node", **options))
    return drawing


def test_a_nodes_own_fault_shows_its_own_frames_only(bench: Any) -> None:
    def divide() -> float:
        return 1 / 0

    result, events = bench.listen(single(bench, divide))
    (failure,) = result.failures
    assert (failure.node, failure.type, failure.message) == ("node", "Node", "ZeroDivisionError: division by zero")
    assert failure.traceback is not None
    assert "in divide" in failure.traceback
    assert "return 1 / 0" in failure.traceback
    assert "nodeflow/engine" not in failure.traceback
    assert NodeFailedEvent("node", failure.message, failure.traceback) in events
    assert str(failure) == 'Node "node": ZeroDivisionError: division by zero'


def test_a_users_mistake_names_the_input_and_has_no_traceback(bench: Any) -> None:
    def check(width: int = 7) -> None:
        raise InputError("width", "must be a multiple of 8; try 512")

    (failure,) = bench.run(single(bench, check)).failures
    assert (failure.input, failure.message, failure.traceback) == ("width", "must be a multiple of 8; try 512", None)


def test_an_input_that_the_node_does_not_have_is_no_place(bench: Any) -> None:
    def check(width: int = 7) -> None:
        raise InputError("widht", "must be a multiple of 8")

    (failure,) = bench.run(single(bench, check)).failures
    assert (failure.input, failure.message) == (None, "widht: must be a multiple of 8")


def test_a_complaint_about_a_place_inside_an_input_names_that_place(bench: Any) -> None:
    def check(rows: Any = None) -> None:
        raise InputError("rows[0].size", "is too large")

    (failure,) = bench.run(single(bench, check)).failures
    assert (failure.input, failure.message) == ("rows[0].size", "is too large")


def test_an_error_whose_words_raise_is_named_by_its_type(bench: Any) -> None:
    class Wordless(Exception):
        def __str__(self) -> str:
            raise RuntimeError("no words")

    def fail() -> None:
        raise Wordless

    (failure,) = bench.run(single(bench, fail)).failures
    assert failure.message == "Wordless: (it has no words: its __str__ raised RuntimeError)"
    assert failure.traceback is not None
    assert "in fail" in failure.traceback


def test_a_traceback_ends_where_the_node_asks_nodeflow(bench: Any) -> None:
    def save(run: Any) -> None:
        try:
            run.save("a", "txt", b"")
        except TypeError as error:
            raise ValueError("not saved") from error

    (failure,) = bench.run(single(bench, save)).failures
    assert failure.traceback is not None
    assert failure.traceback.count("in save") == 2
    assert "noderun.py" not in failure.traceback
    assert "only an effect may write files" in failure.traceback


def test_the_traceback_of_a_group_shows_no_frames_of_ours_either(bench: Any) -> None:
    def save(run: Any) -> None:
        try:
            run.save("a", "txt", b"")
        except TypeError as error:
            trouble = error
        raise ExceptionGroup("not saved", [trouble])

    (failure,) = bench.run(single(bench, save)).failures
    assert failure.traceback is not None
    assert failure.traceback.count("in save") == 2
    assert "noderun.py" not in failure.traceback


def test_an_error_of_ours_has_no_traceback(bench: Any) -> None:
    def check() -> None:
        raise UsageError("not like this")

    (failure,) = bench.run(single(bench, check)).failures
    assert (failure.message, failure.traceback) == ("not like this", None)


@pytest.mark.parametrize(
    ("problem", "others", "message"),
    [
        (Problem("x.y", "is bad", "step", "size", type="Blur"), 0, 'Blur "node/step" · size: is bad [x.y]'),
        (Problem("x.y", "is bad", "step", type="graph:body"), 2, 'node "node/step": is bad [x.y] (and 2 more)'),
        (Problem("x.y", "is bad"), 0, "is bad [x.y]"),
    ],
)
def test_what_is_wrong_with_a_recorded_node_is_told_by_its_full_id(
    problem: Problem, others: int, message: str, bench: Any
) -> None:
    def record() -> None:
        raise RecordedWrongly(problem, others)

    (failure,) = bench.run(single(bench, record)).failures
    assert failure.message == f"what it makes cannot run: {message}"


def test_a_pack_that_cannot_be_imported_when_it_runs_is_told_apart(bench: Any) -> None:
    def ask() -> None:
        raise PackFailed("shop", "shop.nodes cannot be imported: boom")

    (failure,) = bench.run(single(bench, ask)).failures
    assert (failure.message, failure.exit_code) == ("pack shop: shop.nodes cannot be imported: boom", 7)


def test_an_error_without_words_is_named_by_its_type(bench: Any) -> None:
    def fail() -> None:
        raise ValueError

    (failure,) = bench.run(single(bench, fail)).failures
    assert failure.message == "ValueError"


def test_the_cause_is_part_of_the_traceback(bench: Any) -> None:
    def fail() -> None:
        try:
            raise KeyError("inner")
        except KeyError as error:
            raise ValueError("outer") from error

    (failure,) = bench.run(single(bench, fail)).failures
    assert failure.traceback is not None
    assert "KeyError: 'inner'" in failure.traceback


def test_a_node_that_exits_fails_like_any_other(bench: Any) -> None:
    def leave() -> None:
        raise SystemExit(3)

    (failure,) = bench.run(single(bench, leave)).failures
    assert failure.message == "SystemExit: 3"


def test_an_async_node_fails_in_the_same_way(bench: Any) -> None:
    async def fail() -> None:
        raise ValueError("later")

    (failure,) = bench.run(single(bench, fail)).failures
    assert failure.message == "ValueError: later"
    assert failure.traceback is not None
    assert "in fail" in failure.traceback


def test_a_keyboard_interrupt_gets_out_and_leaves_the_engine_usable(bench: Any) -> None:
    def interrupt() -> int:
        raise KeyboardInterrupt

    drawing = single(bench, interrupt)
    with bench.engine() as engine:
        with pytest.raises(KeyboardInterrupt):
            bench.run(drawing, engine)
        bench.functions["Node"] = lambda: 1
        assert bench.run(drawing, engine).values == {("node", "out"): 1}


def test_an_implementation_that_cannot_be_imported_is_the_nodes_failure(bench: Any) -> None:
    drawing = single(bench, lambda: 1)
    del bench.functions["Node"]
    (failure,) = bench.run(drawing).failures
    assert failure.message == "KeyError: 'Node'"


def branches(bench: Any) -> Any:
    def fail() -> int:
        raise ValueError("no")

    drawing = bench.draw()
    add = bench.node(lambda a, b: a + b, id="Add")
    number = bench.node(lambda value: value, id="Number")
    bad = drawing.add("bad", bench.node(fail, id="Bad"))
    good = drawing.add("good", number, value=1)
    drawing.output("both", drawing.add("both", add, a=bad, b=good))
    drawing.output("below", drawing.add("below", number, value=drawing.add("middle", add, a=bad, b=bad)))
    drawing.output("alone", drawing.add("alone", add, a=good, b=good))
    return drawing


def test_other_branches_go_on(bench: Any) -> None:
    result = bench.run(branches(bench))
    assert [failure.node for failure in result.failures] == ["bad"]
    assert result.values == {("alone", "out"): 2}
    skipped = {node for node, status in result.status.items() if status is Status.SKIPPED}
    assert skipped == {"both", "middle", "below"}


def test_after_a_repair_only_what_is_missing_runs(bench: Any) -> None:
    with bench.engine() as engine:
        drawing = branches(bench)
        bench.run(drawing, engine)
        bench.counts()
        bench.functions["Bad"] = lambda: 10
        result = bench.run(drawing, engine)
    assert result.values[("both", "out")] == 11
    assert bench.counts() == {"Add": 2, "Number": 1}


def test_stopping_at_the_first_failure_starts_nothing_more(bench: Any) -> None:
    async def slow() -> int:
        import asyncio

        await asyncio.sleep(60)
        return 1

    drawing = branches(bench)
    drawing.output("slow", drawing.add("slow", bench.node(slow, id="Slow")))
    result = bench.run(drawing, stop_on_failure=True)
    assert [failure.node for failure in result.failures] == ["bad"]
    assert not result.cancelled
    assert result.status["slow"] is Status.SKIPPED


class Hungry:
    """Runs out of memory as often as it is told."""

    def __init__(self, times: int, message: str = "") -> None:
        self.times = times
        self.message = message

    def __call__(self) -> int:
        if self.times:
            self.times -= 1
            raise MemoryError(self.message)
        return 1


@pytest.mark.parametrize("lane", [Lane.DEVICE, Lane.CPU])
def test_memory_that_ran_out_is_freed_and_the_node_tried_once_more(bench: Any, lane: Lane) -> None:
    drawing = single(bench, Hungry(1), lane=lane)
    with bench.engine() as engine:
        bench.run(branches(bench), engine)
        assert len(engine.memory)
        result = bench.run(drawing, engine)
        assert result.values == {("node", "out"): 1}
        assert len(engine.memory) == 1
    assert bench.released == 1


def test_memory_that_runs_out_twice_fails_the_node_and_says_what_was_resident(bench: Any) -> None:
    drawing = bench.draw()
    sheet = drawing.add("sheet", bench.node(lambda: bench.sheet(bytes(5000)), id="Big"))
    hungry = Hungry(9, "CUDA out of memory. Tried to allocate 2.50 GiB. GPU 0 has 1 GiB")
    node = bench.node(lambda value: hungry(), id="Node")
    drawing.output("lost", drawing.add("node", node, value=sheet))
    drawing.output("other", drawing.add("other", bench.node(lambda: 1, id="Other")))
    result = bench.run(drawing)
    (failure,) = result.failures
    assert isinstance(failure, OutOfMemory)
    assert failure.exit_code == 6
    assert "asked for 2.50 GiB" in failure.message
    assert "resident: sheet (Big) 4.9 KiB" in failure.message
    assert failure.traceback is None
    assert result.values == {("other", "out"): 1}
    assert hungry.times == 7


@pytest.mark.parametrize("times", [1, 2])
def test_memory_that_runs_out_in_an_async_node_is_treated_alike(bench: Any, times: int) -> None:
    hungry = Hungry(times)

    async def eat() -> int:
        return hungry()

    result = bench.run(single(bench, eat))
    assert [type(failure) for failure in result.failures] == [OutOfMemory] * (times - 1)


def test_an_unknown_size_is_said_to_be_unknown(bench: Any) -> None:
    (failure,) = bench.run(single(bench, Hungry(2))).failures
    assert "asked for an unknown size; resident: no results" in failure.message


def test_another_error_at_the_second_try_is_reported_as_it_is(bench: Any) -> None:
    tries: list[int] = []

    def fail() -> None:
        tries.append(1)
        if len(tries) == 1:
            raise MemoryError
        raise ValueError("something else")

    (failure,) = bench.run(single(bench, fail)).failures
    assert failure.message == "ValueError: something else"


@pytest.mark.parametrize("awaits", [True, False])
def test_an_effect_that_has_written_is_not_tried_again(bench: Any, awaits: bool) -> None:
    def save(run: Any) -> None:
        run.save("a", "png", b"")
        raise MemoryError

    async def save_later(run: Any) -> None:
        save(run)

    result = bench.run(single(bench, save_later if awaits else save, kind=Kind.EFFECT, outputs=()))
    assert [type(failure) for failure in result.failures] == [OutOfMemory]
    assert len(bench.written) == 1


def test_the_frames_of_an_error_let_their_values_go() -> None:
    import weakref

    class Value:
        pass

    seen: list[weakref.ref[Value]] = []

    def fail() -> None:
        value = Value()
        seen.append(weakref.ref(value))
        try:
            raise KeyError(1)
        except KeyError as error:
            raise ValueError(2) from error

    caught: ValueError | None = None
    try:
        fail()
    except ValueError as error:
        caught = error
    assert caught is not None
    assert seen[0]() is not None
    let_go(caught)
    assert seen[0]() is None


@pytest.mark.parametrize(
    ("nbytes", "text"),
    [(0, "0 bytes"), (1023, "1023 bytes"), (1024, "1.0 KiB"), (1536 * 1024, "1.5 MiB"), (1 << 55, "32768.0 TiB")],
)
def test_sizes_are_said_in_the_largest_unit(nbytes: int, text: str) -> None:
    assert size_text(nbytes) == text
