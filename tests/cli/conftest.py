"""The shell run in this process, with a home of its own and the pack of these tests in it."""

import io
import json
import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import pytest

from nodeflow.cli.main import main
from nodeflow.storage.givennames import FILE
from tests.cli.liveserver import LiveServer, live_server

PACK = Path(__file__).parent / "pack" / "shelltest"


@dataclass(frozen=True)
class Said:
    """How a command ended, and what it wrote."""

    code: int
    out: str
    err: str

    @property
    def report(self) -> dict[str, Any]:
        """The JSON object on standard output; there is nothing else on it."""
        loaded = json.loads(self.out)
        assert isinstance(loaded, dict)
        return loaded


class Shell(Protocol):
    """Runs ``nodeflow WORDS``."""

    def __call__(self, *words: object, stdin: bytes = b"") -> Said: ...


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home shared by all tests of the shell, because finding out what a pack has takes a process."""
    folder = tmp_path_factory.mktemp("home")
    shutil.copytree(PACK, folder / "packs" / "shelltest", ignore=shutil.ignore_patterns("__pycache__"))
    return folder


@pytest.fixture(scope="session")
def server(home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """A server with the same home, shared by all tests of the shell that need one."""
    with live_server(home, tmp_path_factory.mktemp("server") / "log.txt") as running:
        yield running


@pytest.fixture
def place(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder; results of other tests are not remembered in it."""
    shutil.rmtree(home / "cache" / "results", ignore_errors=True)
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    monkeypatch.setenv("NODEFLOW_HOME", str(home))
    return work


@pytest.fixture
def shell(place: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Shell:
    def say(*words: object, stdin: bytes = b"") -> Said:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        capfd.readouterr()
        code = main([os.fspath(word) if isinstance(word, Path) else str(word) for word in words])
        out, err = capfd.readouterr()
        assert "Traceback" not in err or code == 5, err
        return Said(code, out, err)

    return say


def files_in(folder: Path) -> list[str]:
    """What a user sees there."""
    return sorted(path.name for path in folder.iterdir() if path.name != FILE)


def document(nodes: Mapping[str, Any], **rest: Any) -> bytes:
    """A document of the tests' nodes: ``{"n": ("Count", {"steps": 3})}``; a text ``@n.number`` is a link."""
    made = {
        id: {"type": type if "." in type else f"shelltest.{type}", "version": 1, "inputs": inputs}
        for id, (type, inputs) in nodes.items()
    }
    for node in made.values():
        node["inputs"] = {
            name: {"link": value[1:]} if isinstance(value, str) and value.startswith("@") else value
            for name, value in node["inputs"].items()
        }
    return json.dumps({"nodeflow": 1, "nodes": made, **rest}).encode()


def interface(inputs: Mapping[str, str], outputs: Mapping[str, str]) -> dict[str, Any]:
    """An interface with one socket per name."""
    return {
        "inputs": {name: {"to": [socket]} for name, socket in inputs.items()},
        "outputs": {name: {"from": socket} for name, socket in outputs.items()},
    }
