"""``nodeflow.Session``: documents and graphs in this process, warm between runs, typed results."""

import asyncio
import errno
import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, NamedTuple

import pytest
import torch

import nodeflow
from nodeflow.api import Field, Graph, ImageFile, InputError, Ref, Run, Seed, expander, node, quiet
from nodeflow.core.errors import Cancelled, InvalidDocument, MissingFile, NodeFailed, UsageError
from nodeflow.core.workflow import Document
from nodeflow.diffusion.errors import ValueRuleError
from nodeflow.diffusion.files import files_of
from nodeflow.diffusion.types import Image, Latent, Mask
from nodeflow.engine.events import Progress, RunFinished, Saved
from nodeflow.session import Output, Session
from nodeflow.session.environment import Environment, choose_device
from nodeflow.session.files import FileDigests
from nodeflow.session.memory import is_out_of_memory, release_memory
from nodeflow.storage.digests import Digests

CALLS: list[int] = []


@node("test.Noise")
def noise(seed: Seed = 0, batch: int = 1) -> Image:
    """Draw noise."""
    CALLS.append(seed)
    return Image(torch.rand((batch, 4, 6, 3), generator=torch.Generator().manual_seed(seed)))


@node("test.Mean")
def mean(image: Image) -> float:
    """Average a picture."""
    return float(image.pixels.mean())


@node("test.Slow")
def slow(steps: int = 1000, *, run: Run = quiet) -> int:
    """Take long."""
    for _ in run.track(range(steps), total=steps):
        time.sleep(0.01)
    return steps


@node("test.Fails")
def fails(width: Annotated[int, Field(ge=0)] = 7) -> int:
    """Fail."""
    raise InputError("width", "must be even")


class Halves(NamedTuple):
    """Two parts."""

    left: str
    right: str


@node("test.Split")
def split(text: str) -> Halves:
    """Split a text."""
    return Halves(text[: len(text) // 2], text[len(text) // 2 :])


@expander("test.Twice")
def twice(graph: Graph, text: Ref[str], constant: int = 3) -> Halves:
    """Split what is left once more, and give one part as it is."""
    left, _ = graph(split)(text)
    again, _ = graph(split)(left)
    return Halves(again, f"fixed {constant}")


@expander("test.Sloppy")
def sloppy(graph: Graph, text: Ref[str]) -> Ref[str]:
    """Record what cannot run."""
    left, _ = graph(split)(graph(mean)(text))  # type: ignore[arg-type]
    return left


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    CALLS.clear()
    with Session(home=tmp_path / "home", output_dir=tmp_path / "out", device="cpu") as session:
        yield session


def graph_of_noise(batch: int = 1) -> Graph:
    graph = Graph()
    image = graph(noise)(graph.input("seed", 1), batch)
    graph.output("picture", image)
    graph.output("mean", graph(mean)(image))
    return graph


def test_results_are_typed_and_keyed_by_name(session: Session, tmp_path: Path) -> None:
    result = session.run(graph_of_noise(batch=2), {"seed": 3})
    assert set(result) == {"picture", "mean"}
    picture = result["picture"]
    assert picture.tensor().shape == (2, 4, 6, 3)
    assert picture.pil().size == (6, 4)
    assert len(picture.pictures()) == 2
    assert picture.path == tmp_path / "out/picture_00001.png"
    assert [path.name for path in picture.paths] == ["picture_00001.png", "picture_00002.png"]
    assert result["mean"].json() == pytest.approx(float(picture.tensor().mean()))
    assert result["mean"].value == result["mean"].json()
    assert json.loads(result.document)["nodes"]["noise"]["inputs"]["seed"] == 3
    with pytest.raises(UsageError, match="picture was asked for"):
        result["mean"].pil()
    with pytest.raises(UsageError, match="tensor was asked for"):
        result["mean"].tensor()


def test_the_second_run_is_warm(session: Session) -> None:
    session.run(graph_of_noise(), {"seed": 3})
    result = session.run(graph_of_noise(), {"seed": 3})
    assert CALLS == [3]
    assert result.nodes["noise"].status == "hit-memory"
    session.run(graph_of_noise(), {"seed": 4})
    assert CALLS == [3, 4]
    session.close()
    session.run(graph_of_noise(), {"seed": 4})
    assert CALLS == [3, 4, 4]


def test_a_changed_function_never_gives_the_old_result(session: Session) -> None:
    def graph(text: str) -> Graph:
        @node("test.Changing")
        def changing() -> str:
            """Say something."""
            return text

        graph = Graph()
        graph.output("said", graph(changing)())
        return graph

    assert session.run(graph("one"))["said"].value == "one"
    assert session.run(graph("two"))["said"].value == "two"


def test_documents_come_in_every_form(session: Session, tmp_path: Path) -> None:
    document = graph_of_noise().document()
    session.workplace.registry.add_node(noise)
    session.workplace.registry.add_node(mean)
    path = tmp_path / "doc.json"
    path.write_bytes(document.dumps())
    for source in (document, document.dumps(), path, str(path), json.loads(document.dumps())):
        assert session.run(source, write=[])["mean"].value == pytest.approx(0.5, abs=0.1)
    assert isinstance(session.document(path), Document)
    assert session.check(path) == ()
    with pytest.raises(MissingFile):
        session.run(tmp_path / "absent.json")
    with pytest.raises(UsageError, match=r"a document is a path, .*, not int"):
        session.run(7)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="given as a document is no JSON"):
        session.run({"nodeflow": 1, "nodes": {"a": {1, 2}}})


def test_all_problems_come_at_once(session: Session) -> None:
    graph = Graph()
    graph(noise)(-1)
    graph(fails)(-1)
    with pytest.raises(InvalidDocument) as raised:
        session.run(graph)
    errors = {(problem.node, problem.input) for problem in raised.value.problems if problem.severity == "error"}
    assert errors == {("noise", "seed"), ("fails", "width")}


def test_a_failure_is_raised_and_the_others_are_its_notes(session: Session) -> None:
    graph = Graph()
    graph(fails)(1)
    graph(fails)(2)
    with pytest.raises(NodeFailed, match="must be even") as raised:
        session.run(graph)
    assert "also failed" in raised.value.__notes__[0]
    assert raised.value.input == "width"


def test_a_run_is_an_iterator_of_its_progress(session: Session) -> None:
    graph = Graph()
    graph.output("n", graph(slow)(3))
    running = session.start(graph)
    events = list(running)
    assert [event.step for event in events if isinstance(event, Progress)] == [1, 2, 3]
    assert any(isinstance(event, RunFinished) for event in events)
    assert list(running) == []
    assert running.result()["n"].value == 3
    seen: list[object] = []
    thread = threading.get_ident()
    session.run(graph, on_event=lambda event: seen.append(threading.get_ident()))
    assert set(seen) == {thread}, "events come in the caller's thread"


def test_cancelling_stops_within_a_step(session: Session) -> None:
    graph = Graph()
    graph.output("n", graph(slow)(1000))
    running = session.start(graph)
    started = time.monotonic()
    for event in running:
        if isinstance(event, Progress):
            running.cancel()
    assert time.monotonic() - started < 5
    assert running.outcome().cancelled
    with pytest.raises(Cancelled):
        running.result()


def test_ctrl_c_and_errors_of_the_listener_cancel_the_run(session: Session) -> None:
    graph = Graph()
    graph.output("n", graph(slow)(1000))

    def interrupt(event: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        session.run(graph, on_event=interrupt)
    assert session.run(graph_of_noise(), write=[])["mean"].value, "the session goes on"


def test_it_works_inside_a_running_event_loop(session: Session) -> None:
    async def cell() -> object:
        return session.run(graph_of_noise(), write=[])["mean"].value

    assert asyncio.run(cell()) == pytest.approx(0.5, abs=0.1)


def test_targets_write_and_strict(session: Session, tmp_path: Path) -> None:
    result = session.run(graph_of_noise(), targets=["mean"], write=[])
    assert list(result) == ["mean"]
    assert not (tmp_path / "out").exists()
    graph = Graph()
    graph(noise)(1)
    with pytest.raises(InvalidDocument, match=r"run\.nothing"):
        session.run(graph, strict=True)
    result = session.run(graph, targets=["noise"], write=[])
    assert result["noise.image"].type == "Image"
    with pytest.raises(UsageError, match="not written"):
        assert result["noise.image"].path


def test_expanders_record_links_and_constants(session: Session) -> None:
    graph = Graph()
    left, right = graph(twice)(graph.input("text", "abcdefgh"))
    start, _ = graph(split)(left)
    graph.output("left", left)
    graph.output("right", right)
    graph.output("start", start)
    result = session.run(graph, write=[])
    assert (result["left"].value, result["right"].value, result["start"].value) == ("ab", "fixed 3", "a")


def test_an_expander_that_records_nonsense_fails_by_name(session: Session) -> None:
    graph = Graph()
    graph.output("text", graph(sloppy)("abc"))
    with pytest.raises(NodeFailed, match=r"test\.Sloppy"):
        session.run(graph)


def test_explain_tells_what_a_session_remembers(session: Session) -> None:
    session.run(graph_of_noise(), {"seed": 3}, write=[])
    states = {item.node: item.state for item in session.explain(graph_of_noise(), {"seed": 3})}
    assert set(states.values()) == {"hit-memory"}
    states = {item.node: item.state for item in session.explain(graph_of_noise(), {"seed": 4})}
    assert states["noise"] == "run"


def test_one_call_is_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NODEFLOW_HOME", str(tmp_path / "home"))
    result = nodeflow.run(graph_of_noise(), {"seed": 2}, output_dir=tmp_path / "out", device="cpu")
    assert result["picture"].path.is_file()


def test_a_file_that_vanishes_after_the_check_is_a_failure_of_its_node(session: Session, tmp_path: Path) -> None:
    @node("test.Read")
    def read(file: Annotated[Path, ImageFile()]) -> str:
        """Read a file."""
        return file.read_text()

    place = tmp_path / "home" / "input" / "a.txt"
    place.parent.mkdir(parents=True)
    place.write_text("content")
    graph = Graph()
    graph.output("text", graph(read)(Path("a.txt")))
    assert session.run(graph, write=[])["text"].value == "content"
    prepared = session.workplace.prepare(graph)
    place.unlink()
    files = FileDigests(prepared.files, Digests(tmp_path / "memo"))
    (wanted,) = prepared.resolution.require().nodes[0].spec.inputs
    with pytest.raises(MissingFile, match="no such file any more"):
        files.resolve(wanted, "a.txt")
    with pytest.raises(MissingFile, match=r"a\.txt"):
        session.run(graph)


def test_wrong_settings_are_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="dtype"):
        Session(home=tmp_path, dtype="fp17")
    with pytest.raises(UsageError, match="expected cpu"):
        assert Session(home=tmp_path, device="gpu").environment
    with pytest.raises(AttributeError):
        assert nodeflow.nothing
    with pytest.raises(AttributeError):
        assert nodeflow.session.nothing


def test_devices_are_those_of_the_machine() -> None:
    assert choose_device("cpu") == "cpu"
    assert choose_device("auto") in ("cpu", "cuda:0")
    with pytest.raises(UsageError, match="try cpu"):
        choose_device("cuda:99")


def test_the_environment_names_what_changes_results() -> None:
    fp32, bf16 = Environment("cpu", "fp32"), Environment("cpu", "bf16")
    assert fp32.key != bf16.key
    assert json.loads(fp32.key)["torch"] == torch.__version__.partition("+")[0] or "torch" in fp32.key


@pytest.mark.parametrize(
    ("error", "lack"),
    [
        (MemoryError(), True),
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"), True),
        (RuntimeError("[enforce fail at alloc_cpu.cpp:119] DefaultCPUAllocator: can't allocate memory"), True),
        (OSError(errno.ENOMEM, "Cannot allocate memory"), True),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED"), True),
        (ValueError("shapes differ"), False),
        (OSError(errno.ENOENT, "no such file"), False),
        (KeyboardInterrupt("out of memory"), False),
    ],
)
def test_a_lack_of_memory_is_recognised(error: BaseException, lack: bool) -> None:
    assert is_out_of_memory(error) is lack
    wrapped = ValueError("the file is damaged")
    wrapped.__cause__ = error
    assert is_out_of_memory(wrapped) is lack


def test_memory_can_be_given_back_at_any_time() -> None:
    release_memory()


def test_every_kind_of_value_has_its_file() -> None:
    def written(value: object) -> list[str]:
        return [suffix for suffix, _ in files_of(value, lambda item: {})]

    assert written(Image(torch.zeros(2, 4, 4, 3))) == ["png", "png"]
    assert written(Mask(torch.zeros(1, 4, 4))) == ["png"]
    assert written(Latent(torch.zeros(1, 4, 2, 2))) == ["latent"]
    assert written(["a", "b"]) == ["txt", "txt"]
    assert written(["a", 1, None, {"b": [True]}]) == ["json"]
    assert written([Mask(torch.zeros(1, 4, 4)), 1.5, float("inf")]) == ["png", "json"]
    assert written(object()) == []


def test_half_of_a_character_is_escaped_in_json_and_has_no_place_in_a_text() -> None:
    assert list(files_of(["a", 1, "\ud800"], lambda item: {})) == [("json", b'["a", 1, "\\ud800"]')]
    with pytest.raises(ValueRuleError, match=r"half of a character \(\\ud800, at character 2\)"):
        list(files_of("a\ud800", lambda item: {}))


def test_outputs_that_are_lists_or_masks_give_pictures() -> None:
    masks = Output("m", "list[Mask]", [Mask(torch.ones(1, 4, 4)), Mask(torch.zeros(1, 4, 4))])
    assert [picture.getpixel((0, 0)) for picture in masks.pictures()] == [(255, 255, 255), (0, 0, 0)]
    assert Output("m", "Mask", Mask(torch.ones(1, 4, 4))).tensor().shape == (1, 4, 4)
    assert Output("l", "Latent", Latent(torch.zeros(1, 4, 2, 2))).tensor().shape == (1, 4, 2, 2)
    assert Output("t", "list[str]", ["a", "b"]).json() == ["a", "b"]
    assert Output("o", "Thing", object()).json() is None
    shown = masks._repr_png_()
    assert shown is not None
    assert shown.startswith(b"\x89PNG")
    assert Output("t", "str", "a")._repr_png_() is None


def test_a_result_that_cannot_be_written_is_a_warning(session: Session) -> None:
    class Thing:
        """Something without a codec."""

    @node("test.Thing")
    def make_thing() -> Thing:
        """Make a thing."""
        return Thing()

    graph = Graph()
    graph.output("thing", graph(make_thing)())
    running = session.start(graph)
    events = list(running)
    assert not any(isinstance(event, Saved) for event in events)
    assert any("cannot be written" in str(event) for event in events)
    assert running.result()["thing"].paths == ()
