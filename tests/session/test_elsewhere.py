"""Runs of one session in several places, warming up, and what is in memory."""

import json
from pathlib import Path
from typing import Annotated

import pytest

from nodeflow.api import Graph, ImageFile, Kind, ModelFile, Run, node, quiet
from nodeflow.core.errors import InvalidDocument
from nodeflow.engine.events import NodeStarted
from nodeflow.session import Session

CALLS: list[str] = []


@node("test.Open")
def open_model(file: Annotated[Path, ModelFile("checkpoints")], text: str = "") -> bytes:
    """Read a model file."""
    CALLS.append("open")
    return file.read_bytes()


@node("test.Size")
def size(model: bytes) -> int:
    """Say how long it is."""
    CALLS.append("size")
    return len(model)


@node("test.See")
def see(file: Annotated[Path, ImageFile()]) -> int:
    """Say how long a picture is."""
    return len(file.read_bytes())


@node("test.Service", kind=Kind.EXTERNAL)
def service(number: int) -> int:
    """Ask the world outside."""
    CALLS.append("service")
    return number


@node("test.Keep", kind=Kind.EFFECT)
def keep(number: int, *, run: Run = quiet) -> None:
    """Write a number down."""
    CALLS.append("keep")
    run.save("number", "txt", b"%d" % number)


@pytest.fixture
def session(tmp_path: Path) -> Session:
    """A session with two model files, and nothing computed yet."""
    CALLS.clear()
    folder = tmp_path / "models" / "checkpoints"
    folder.mkdir(parents=True)
    for name in ("a", "b"):
        (folder / f"{name}.safetensors").write_bytes(name.encode() * 1000)
    return Session(tmp_path, output_dir=tmp_path / "output", device="cpu")


def reading(name: str) -> Graph:
    """A graph that reads a model and asks, and writes."""
    graph = Graph()
    length = graph(size)(graph(open_model)(Path(f"{name}.safetensors")))
    graph(keep)(graph(service)(length))
    return graph


def test_places_differ_and_what_was_computed_is_shared(session: Session, tmp_path: Path) -> None:
    for name in ("ann", "bo"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "me.png").write_bytes(b"x" * len(name))
    for name in ("ann", "bo"):
        place = session.elsewhere(input_dirs=(tmp_path / name,), output_dir=tmp_path / name / "out")
        graph = Graph()
        graph.output("length", graph(see)(Path("me.png")))
        assert place.run(graph)["length"].value == len(name)
        place.run(reading("a"))
        assert (tmp_path / name / "out" / "number_00001.txt").read_text() == "1000"
    assert CALLS.count("size") == 1
    assert not (tmp_path / "output").exists()
    assert place.environment is session.environment
    assert place.workplace.registry is session.workplace.registry


def test_a_session_knows_the_models_that_are_in_memory(session: Session) -> None:
    assert session.models == ()
    session.run(reading("b"))
    session.run(reading("a"))
    assert session.models == ("checkpoints/a.safetensors", "checkpoints/b.safetensors")
    assert session.nbytes > 2000
    session.release()
    assert (session.models, session.nbytes) == ((), 0)


def test_warming_up_computes_what_is_pure_and_writes_and_asks_nothing(session: Session, tmp_path: Path) -> None:
    events = [event for event in session.warm_up(reading("a")) if isinstance(event, NodeStarted)]
    assert len(events) == 2
    assert CALLS == ["open", "size"]
    assert session.models == ("checkpoints/a.safetensors",)
    assert not (tmp_path / "output").exists()
    session.run(reading("a"))
    assert CALLS == ["open", "size", "service", "keep"]


def test_what_cannot_run_is_not_warmed_up(session: Session) -> None:
    broken = json.dumps({"nodeflow": 1, "nodes": {"a": {"type": "Number", "version": 1, "inputs": {"valu": 1}}}})
    with pytest.raises(InvalidDocument):
        session.warm_up(broken.encode())
