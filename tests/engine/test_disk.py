"""Memory and disk together: what is written, what comes back, and what survives a new process."""

import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from nodeflow.core.errors import PackFailed
from nodeflow.core.spec import Kind
from nodeflow.core.stored import Stored
from nodeflow.core.types import Encoded
from nodeflow.engine.cache import Entry, MemoryCache
from nodeflow.engine.encoding import NotStorable, decode_entry, encode_entry
from nodeflow.engine.events import NodeFinished, Status
from nodeflow.engine.tiers import Tiers, worth_writing
from nodeflow.storage.results import DiskResults

SLOW = 0.05
"""Seconds: enough to be worth a file."""


@pytest.fixture
def disk(tmp_path: Path) -> DiskResults:
    return DiskResults(tmp_path / "results", 1 << 30)


def slowly(value: Any) -> Any:
    time.sleep(SLOW)
    return value


def picture(bench: Any) -> Any:
    """load → sample → decode → save, with only the pictures fit for the disk."""

    class Weights:
        nbytes = 1000

    drawing = bench.draw()
    load = bench.node(lambda: slowly(Weights()), id="Load")
    sample = bench.node(lambda model, seed: slowly(bench.sheet(bytes([seed]) * 100)), id="Sample")
    decode = bench.node(lambda latent, model: bench.sheet(latent.data * 2), id="Decode")
    save = bench.node(lambda image, run: run.save("p", "png", image.data), id="Save", kind=Kind.EFFECT, outputs=())
    model = drawing.add("load", load)
    latent = drawing.add("sample", sample, model=model, seed=3)
    drawing.add("save", save, image=drawing.add("decode", decode, latent=latent, model=model))
    return drawing


def test_a_finished_graph_runs_only_its_effects_after_a_restart(bench: Any, disk: DiskResults) -> None:
    with bench.engine(disk=disk) as engine:
        bench.run(picture(bench), engine)
    assert bench.counts() == {"Load": 1, "Sample": 1, "Decode": 1, "Save": 1}
    with bench.engine(disk=DiskResults(disk.folder, 1 << 30)) as engine:
        result, events = bench.listen(picture(bench), engine)
    assert bench.counts() == {"Save": 1}
    assert bench.written[0] == bench.written[1]
    assert result.status["decode"] is Status.HIT_DISK
    assert result.status["load"] is Status.SKIPPED
    assert NodeFinished("decode", Status.HIT_DISK, 0.0) in events


def test_what_comes_from_the_disk_is_in_memory_afterwards(bench: Any, disk: DiskResults) -> None:
    with bench.engine(disk=disk) as engine:
        bench.run(picture(bench), engine)
        engine.memory.clear()
        assert bench.run(picture(bench), engine).status["decode"] is Status.HIT_DISK
        assert bench.run(picture(bench), engine).status["decode"] is Status.HIT_MEMORY


def test_a_damaged_file_is_computed_again_and_written_again(bench: Any, disk: DiskResults) -> None:
    with bench.engine(disk=disk) as engine:
        bench.run(picture(bench), engine)
        for path in disk.folder.glob("*.result"):
            path.write_bytes(path.read_bytes()[:-1] + b"?")
        engine.memory.clear()
        bench.counts()
        bench.run(picture(bench), engine)
        assert bench.counts() == {"Load": 1, "Sample": 1, "Decode": 1, "Save": 1}
        engine.memory.clear()
        bench.run(picture(bench), engine)
    assert bench.counts() == {"Save": 1}


def test_a_file_its_codec_refuses_is_deleted_and_computed_again(bench: Any, disk: DiskResults) -> None:
    with bench.engine(disk=disk) as engine:
        bench.run(picture(bench), engine)
        for key in disk.known():
            disk.write(key, Stored("Decode", 1.0, 1.0, Encoded({"format": 1, "outputs": "no list"}, [])))
        engine.memory.clear()
        bench.counts()
        assert bench.run(picture(bench), engine).status["decode"] is Status.RAN
        assert bench.counts()["Load"] == 1


def test_cheap_results_stay_in_memory(bench: Any, disk: DiskResults) -> None:
    drawing = bench.draw()
    drawing.output("r", drawing.add("n", bench.node(lambda: bench.sheet(b"x"), id="Quick")))
    with bench.engine(disk=disk) as engine:
        bench.run(drawing, engine)
    assert not disk.known()


def test_values_without_a_codec_are_never_written(bench: Any, disk: DiskResults) -> None:
    drawing = bench.draw()
    drawing.output("r", drawing.add("n", bench.node(lambda: slowly(object()), id="Slow")))
    with bench.engine(disk=disk) as engine:
        bench.run(drawing, engine)
        bench.run(drawing, engine)
    assert not disk.known()
    assert bench.counts() == {"Slow": 1}


def test_a_value_too_large_for_its_price_is_not_written() -> None:
    assert worth_writing(0.05, 0)
    assert worth_writing(1.0, 10_000_000)
    assert not worth_writing(0.05, 10_000_000)


def test_what_a_cheap_node_hands_on_is_written_when_what_is_above_was_dear(bench: Any, disk: DiskResults) -> None:
    drawing = bench.draw()
    slow = drawing.add("slow", bench.node(lambda: slowly(object()), id="Slow"))
    drawing.output("r", drawing.add("quick", bench.node(lambda value: bench.sheet(b"x"), id="Quick"), value=slow))
    with bench.engine(disk=disk) as engine:
        bench.run(drawing, engine)
    assert len(disk.known()) == 1


def test_a_disk_that_cannot_be_written_is_one_warning(bench: Any, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with bench.engine(disk=DiskResults(tmp_path / "file" / "results", 1 << 30)) as engine:
        result = bench.run(picture(bench), engine)
        again = bench.run(picture(bench), engine, use_cache=False)
    assert len(result.warnings) == 1
    assert "not kept on disk" in result.warnings[0].message
    assert not result.failures
    assert not again.warnings


def test_what_a_node_said_and_showed_survives_on_disk(bench: Any, disk: DiskResults) -> None:
    def talk(run: Any) -> list[Any]:
        run.warn("said")
        run.show(bench.sheet(b"shown"))
        return slowly([1, 2.5, None, True, "text", [bench.sheet(b"deep")]])

    drawing = bench.draw()
    drawing.output("r", drawing.add("talk", bench.node(talk, id="Talk")))
    with bench.engine(disk=disk) as engine:
        bench.run(drawing, engine)
    with bench.engine(disk=disk) as engine:
        result = bench.run(drawing, engine)
    assert bench.counts() == {"Talk": 1}
    assert [warning.message for warning in result.warnings] == ["said"]
    assert result.shown["talk"][0].data == b"shown"
    value = result.values["talk", "out"]
    assert value[:5] == [1, 2.5, None, True, "text"]
    assert value[5][0].data == b"deep"


def test_a_choice_is_known_after_a_restart(bench: Any, disk: DiskResults) -> None:
    async def switch(on: bool, yes: Any, no: Any) -> Any:
        return await (yes if on else no)

    def drawing() -> Any:
        drawing = bench.draw()
        leaf = bench.node(lambda value: slowly(object()), id="Leaf")
        node = bench.node(switch, id="Switch", lazy=("yes", "no"))
        below = bench.node(lambda value: bench.sheet(b"x"), id="Below")
        chosen = drawing.add(
            "switch", node, on=True, yes=drawing.add("a", leaf, value=1), no=drawing.add("b", leaf, value=2)
        )
        drawing.output("r", drawing.add("below", below, value=chosen))
        return drawing

    with bench.engine(disk=disk) as engine:
        bench.run(drawing(), engine)
    bench.counts()
    with bench.engine(disk=DiskResults(disk.folder, 1 << 30)) as engine:
        assert bench.run(drawing(), engine).values["below", "out"].data == b"x"
    assert bench.counts() == {}


def test_what_another_process_wrote_meanwhile_is_taken(bench: Any, disk: DiskResults) -> None:
    drawing = bench.draw()
    first = drawing.add("first", bench.node(lambda: slowly(1), id="First"))
    drawing.output("r", drawing.add("second", bench.node(lambda value: slowly(2), id="Second"), value=first))
    other = DiskResults(disk.folder, 1 << 30)
    with bench.engine(disk=other) as engine:
        bench.run(drawing, engine)
    bench.counts()

    class Late(DiskResults):
        """Lists nothing when a run begins, and everything later."""

        asked = 0

        def known(self) -> Any:
            self.asked += 1
            return frozenset() if self.asked == 1 else super().known()

    with bench.engine(disk=Late(disk.folder, 1 << 30)) as engine:
        result = bench.run(drawing, engine)
    assert bench.counts() == {}
    assert result.status["second"] is Status.HIT_DISK


def test_a_node_that_another_process_computes_is_waited_for(bench: Any, disk: DiskResults) -> None:
    drawing = bench.draw()
    node = bench.node(lambda value: slowly(value), id="Slow")
    drawing.output("r", drawing.add("slow", node, value=1))

    class Busy(DiskResults):
        """Another process has every key for a while."""

        free = False

        def lock(self, key: bytes) -> Any:
            return super().lock(key) if self.free else None

    busy = Busy(disk.folder, 1 << 30)
    threading.Timer(0.15, lambda: setattr(busy, "free", True)).start()
    started = time.monotonic()
    with bench.engine(disk=busy) as engine:
        assert bench.run(drawing, engine).values == {("slow", "out"): 1}
    assert time.monotonic() - started > 0.1
    assert bench.counts() == {"Slow": 1}


def test_waiting_for_another_process_can_be_cancelled(bench: Any, disk: DiskResults) -> None:
    from nodeflow.engine.runtime import Cancel

    class Busy(DiskResults):
        def lock(self, key: bytes) -> Any:
            return None

    cancel = Cancel()
    drawing = bench.draw()
    drawing.output("r", drawing.add("slow", bench.node(lambda: 1, id="Slow")))
    threading.Timer(0.1, cancel.request).start()
    with bench.engine(disk=Busy(disk.folder, 1 << 30)) as engine:
        assert bench.run(drawing, engine, cancel=cancel).cancelled
    assert bench.counts() == {}


def test_only_what_may_reach_the_disk_is_locked(bench: Any, disk: DiskResults) -> None:
    asked: list[bytes] = []

    class Counting(DiskResults):
        def lock(self, key: bytes) -> Any:
            asked.append(key)
            return super().lock(key)

    drawing = bench.draw()
    drawing.output("a", drawing.add("a", bench.node(lambda: 1, id="Model", types={"out": "Model"})))
    with bench.engine(disk=Counting(disk.folder, 1 << 30)) as engine:
        bench.run(drawing, engine)
        assert not asked
        drawing.output("b", drawing.add("b", bench.node(lambda: 1, id="Sheets", types={"out": "Sheet"})))
        bench.run(drawing, engine)
        assert len(asked) == 1


def test_a_value_nested_without_end_has_no_encoding(bench: Any) -> None:
    value: list[Any] = []
    value.append(value)
    with pytest.raises(NotStorable):
        encode_entry(Entry((value,), 1.0, 1.0, "T"), bench.codec)


@pytest.mark.parametrize(
    "header",
    [
        None,
        {"format": 2},
        {"format": 1, "outputs": [], "shown": []},
        {"format": 1, "outputs": [{"odd": 1}], "shown": [], "warnings": []},
        {"format": 1, "outputs": [{"type": "Unknown", "header": None, "blobs": 0}], "shown": [], "warnings": []},
        {"format": 1, "outputs": [{"type": "Sheet", "header": {"length": 9}, "blobs": 1}], "shown": [], "warnings": []},
    ],
)
def test_a_foreign_encoding_is_refused(bench: Any, header: Any) -> None:
    with pytest.raises(ValueError):
        decode_entry(Stored("T", 1.0, 1.0, Encoded(header, [b"x"])), bench.codec)


def test_without_a_disk_every_key_may_be_computed(bench: Any) -> None:
    tiers = Tiers(MemoryCache(10_000), None, bench.codec, bench.vault)
    assert tiers.lock(b"key")
    assert tiers.recall(b"key") is None


def test_a_file_deleted_since_the_run_began_is_missing(bench: Any, disk: DiskResults) -> None:
    key = bytes(32)
    disk.write(key, encode_entry(Entry((1,), 1.0, 1.0, "T"), bench.codec))
    tiers = Tiers(MemoryCache(10_000), disk, bench.codec, bench.vault)
    disk.forget(key)
    assert tiers.recall(key) is None


SHARER = """
import sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from conftest import Bench
from nodeflow.storage.results import DiskResults

bench = Bench()

def slow(value):
    time.sleep(0.5)
    print("computed", flush=True)
    return value

drawing = bench.draw()
drawing.output("r", drawing.add("slow", bench.node(slow, id="Slow"), value=7))
with bench.engine(disk=DiskResults(Path(sys.argv[1]), 1 << 30)) as engine:
    print("ready", flush=True)
    sys.stdin.readline()
    print(engine.run(drawing.graph()).values[("slow", "out")], flush=True)
"""


@pytest.mark.parametrize("count", [2, 20])
def test_processes_that_share_a_folder_compute_a_key_once(disk: DiskResults, count: int) -> None:
    arguments = [sys.executable, "-c", SHARER, str(disk.folder), str(Path(__file__).parent)]
    processes = [
        subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(count)
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    outputs = []
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    for process in processes:
        outputs.append(process.communicate(timeout=60)[0].split())
    assert sorted(outputs) == [*[["7"]] * (count - 1), ["computed", "7"]]


def test_a_large_value_that_is_soon_made_again_is_not_written(bench: Any, disk: DiskResults) -> None:
    drawing = bench.draw()
    drawing.output("r", drawing.add("n", bench.node(lambda: slowly(bench.sheet(bytes(20_000_000))), id="Large")))
    with bench.engine(disk=disk) as engine:
        bench.run(drawing, engine)
    assert not disk.known()


def test_lists_of_what_has_a_codec_may_reach_the_disk_too(bench: Any, disk: DiskResults) -> None:
    from nodeflow.core.spec import Output, Spec
    from nodeflow.core.types import Type
    from nodeflow.engine.nodetypes import NodeType

    for inner, storable in (("Sheet", True), ("Model", False), ("$T", True)):
        spec = Spec("Lists", outputs=(Output("out", Type("list", (Type(inner),))),))
        assert NodeType(spec, bench, "here").worth_a_lock is storable


def test_a_codec_that_fails_costs_a_file_and_not_the_run(bench: Any, disk: DiskResults) -> None:
    class Broken:
        def encode(self, value: Any, /) -> Encoded:
            raise RuntimeError("no")

    bench.codecs["Sheet"] = Broken()
    drawing = bench.draw()
    drawing.output("r", drawing.add("n", bench.node(lambda: slowly(bench.sheet(b"x")), id="Sheets")))
    with bench.engine(disk=disk) as engine:
        result = bench.run(drawing, engine)
        assert bench.run(drawing, engine).status["n"] is Status.HIT_MEMORY
    assert not result.failures
    assert [warning.message for warning in result.warnings] == [
        "Sheets: its result cannot be kept on disk: RuntimeError: no"
    ]


def test_a_codec_that_cannot_make_a_value_again_is_told_once_and_costs_the_files(bench: Any, disk: DiskResults) -> None:
    def decode(encoded: Encoded, /) -> Any:
        raise PackFailed("shop", "its codec for Sheet failed: ValueError: no")

    drawing = bench.draw()
    sheets = bench.node(lambda text: slowly(bench.sheet(text.encode())), id="Sheets")
    for text in ("one", "two"):
        drawing.output(text, drawing.add(text, sheets, text=text))
    with bench.engine(disk=disk) as engine:
        bench.run(drawing, engine)
        bench.codecs["Sheet"].decode = decode
        engine.memory.clear()
        result = bench.run(drawing, engine)
    assert set(result.status.values()) == {Status.RAN}
    assert [warning.message for warning in result.warnings] == [
        "Sheets: its result on disk cannot be used: pack shop: its codec for Sheet failed: ValueError: no"
    ]


def test_a_cheap_last_step_is_written_too_so_that_a_finished_graph_computes_nothing(
    bench: Any, disk: DiskResults
) -> None:
    drawing = bench.draw()
    slow = drawing.add("slow", bench.node(lambda: slowly(bench.sheet(b"x")), id="Slow"))
    quick = bench.node(lambda value: bench.sheet(value.data), id="Quick")
    between = drawing.add("between", quick, value=slow)
    save = bench.node(lambda value: None, id="Save", kind=Kind.EFFECT, outputs=())
    drawing.add("save", save, value=drawing.add("last", quick, value=between))
    with bench.engine(disk=disk) as engine:
        bench.run(drawing, engine)
        assert bench.counts() == {"Slow": 1, "Quick": 2, "Save": 1}
        assert len(disk.known()) == 2
        engine.memory.clear()
        bench.run(drawing, engine)
    assert bench.counts() == {"Save": 1}
