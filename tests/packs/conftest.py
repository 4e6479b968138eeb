"""Packs really installed, and the shell run on them in a process of its own."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

PLUGINS = Path(__file__).parents[1] / "plugin"


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


@dataclass(frozen=True)
class Place:
    """A working folder with a home in it, and packs on the import path."""

    work: Path
    site: Path | None = None

    @property
    def home(self) -> Path:
        return self.work / "home"

    def pack(self, name: str, **modules: str) -> Path:
        """Write a folder pack into the home; ``init`` is its ``__init__.py``."""
        folder = self.home / "packs" / name
        folder.mkdir(parents=True, exist_ok=True)
        for module, text in modules.items():
            (folder / f"{'__init__' if module == 'init' else module}.py").write_text(text, encoding="utf-8")
        return folder

    def nodeflow(self, *words: str, stdin: bytes = b"", code: int = 0, **variables: str) -> Said:
        """Run ``nodeflow WORDS`` in a new process; it must end with ``code``.

        Args:
            variables: Of the environment.
        """
        path = filter(None, (str(self.site) if self.site else "", os.environ.get("PYTHONPATH", "")))
        environment = os.environ | {
            "NODEFLOW_HOME": str(self.home),
            "PYTHONPATH": os.pathsep.join(path),
            "OMP_NUM_THREADS": "1",
            **variables,
        }
        # Compiled files and buffered output are part of what is tested here.
        for name in ("PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED"):
            environment.pop(name, None)
        done = subprocess.run(
            [sys.executable, "-m", "nodeflow.cli.main", *words],
            cwd=self.work,
            env=environment,
            input=stdin,
            capture_output=True,
            check=False,
        )
        said = Said(done.returncode, done.stdout.decode(), done.stderr.decode())
        assert said.code == code, said.err + said.out
        return said


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """An empty home without further packs."""
    return Place(tmp_path)


def document(nodes: Mapping[str, Any], outputs: Mapping[str, str] | None = None, **rest: Any) -> bytes:
    """A document: ``{"n": ("shop.Count", {"steps": 3})}``; a text ``@n.number`` is a link."""
    made: dict[str, Any] = {}
    for id, (type, inputs) in nodes.items():
        links = {
            name: {"link": value[1:]} if isinstance(value, str) and value.startswith("@") else value
            for name, value in inputs.items()
        }
        made[id] = {"type": type, "version": 1, "inputs": links}
    interface = {"inputs": {}, "outputs": {name: {"from": place} for name, place in (outputs or {}).items()}}
    return json.dumps({"nodeflow": 1, "nodes": made, "interface": interface, **rest}).encode()
