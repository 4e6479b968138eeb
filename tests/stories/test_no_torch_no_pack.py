"""Story 5, *No network, no torch, no pack.*

On a machine without torch and without the pack, ``check``, ``explain``, ``lock`` and save–load–save still work and say
what is missing.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

BARE = """
import importlib.abc, sys


class Absent(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("torch", "numpy", "PIL", "transformers", "safetensors"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


def no_network(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.sendto"):
        raise OSError("no network")


sys.meta_path.insert(0, Absent())
sys.addaudithook(no_network)
"""

SHELL = BARE + "from nodeflow.cli.main import main\nraise SystemExit(main(sys.argv[1:]))"
SAVE = BARE + "from nodeflow.session import Session\nSession().save(sys.argv[1], sys.argv[2])"

DOCUMENT: dict[str, Any] = {
    "nodeflow": 1,
    "meta": {"title": "A shared workflow", "odd": {"kept": [1, None]}},
    "nodes": {
        "base": {"type": "LoadCheckpoint", "version": 1, "inputs": {"checkpoint": "emoji-tiny.safetensors"}},
        "text": {"type": "CLIPTextEncode", "version": 1, "inputs": {"clip": {"link": "base.clip"}, "text": "a {cat}"}},
        "twice": {"type": "graph:pair", "version": 1, "inputs": {"seed": {"draw": "random"}}},
        "tag": {
            "type": "mypack.Tag",
            "version": 3,
            "colour": "red",
            "inputs": {
                "image": {"link": "twice.image"},
                "options": {"value": {"link": "escaped"}},
                "rows": [{"a": 1.5}],
            },
        },
    },
    "graphs": {
        "pair": {
            "nodes": {"make": {"type": "mypack.Make", "version": 2, "inputs": {"seed": 0}}},
            "interface": {"inputs": {"seed": {"to": ["make.seed"]}}, "outputs": {"image": {"from": "make.image"}}},
        }
    },
    "interface": {"outputs": {"picture": {"from": "tag.image"}, "words": {"from": "text.conditioning"}}},
    "packs": {"mypack": {"version": ">=1.2", "sha256": "00" * 32}},
    "ui": {"nodes": {"tag": {"x": 1, "y": 2}}, "notes": ["kept"]},
}


class Machine:
    """A machine with an empty home, without what computes; every command is a process of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "shared.json").write_text(json.dumps(DOCUMENT))

    def __call__(self, script: str, *words: str) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "NODEFLOW_HOME": str(self.folder / "home")}
        command = [sys.executable, "-c", script, *words]
        done = subprocess.run(
            command, cwd=self.folder, env=environment, capture_output=True, text=True, check=False, timeout=60
        )
        assert "Traceback" not in done.stderr, done.stderr
        return done


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Machine:
    return Machine(tmp_path_factory.mktemp("bare"))


MISSING = "the pack mypack is not installed; found mypack.Tag"
WAY_OUT = 'pip install "mypack>=1.2"'


def test_check_names_every_node_that_lacks_its_pack(machine: Machine) -> None:
    done = machine(SHELL, "check", "shared.json")

    assert done.returncode == 3
    lines = done.stderr.splitlines()
    assert len(lines) == 2, done.stderr
    assert all("[pack.absent]" in line and WAY_OUT in line for line in lines)
    assert 'mypack.Tag "tag"' in done.stderr
    assert 'mypack.Make "graph:pair/make"' in done.stderr


def test_explain_tells_what_it_can_and_what_is_missing(machine: Machine) -> None:
    done = machine(SHELL, "explain", "shared.json", "--json")

    assert done.returncode == 3
    assert WAY_OUT in done.stderr
    found = {item["node"]: item for item in json.loads(done.stdout)}
    assert found["text"]["state"] == "run"
    assert "pack mypack is not installed" in " ".join(found["tag"]["reasons"])


def test_a_document_without_the_pack_is_explained_without_torch(machine: Machine) -> None:
    done = machine(SHELL, "explain", "txt2img", "--json")

    assert done.returncode == 0, done.stderr
    assert {item["state"] for item in json.loads(done.stdout)} == {"run"}


def test_lock_pins_what_is_here_and_keeps_the_rest(machine: Machine) -> None:
    (machine.folder / "locked.json").write_text(json.dumps(DOCUMENT))

    done = machine(SHELL, "lock", "locked.json")

    locked = json.loads((machine.folder / "locked.json").read_bytes())
    assert done.returncode == 3
    assert WAY_OUT in done.stderr
    assert locked["packs"]["mypack"] == DOCUMENT["packs"]["mypack"]
    assert locked["packs"]["nodeflow_nodes"]["version"].startswith("==")
    assert len(locked["models"]["emoji-tiny.safetensors"]["sha256"]) == 64
    assert {key: value for key, value in locked.items() if key not in ("packs", "models")} == {
        key: value for key, value in DOCUMENT.items() if key != "packs"
    }


def test_saving_loading_and_saving_loses_nothing(machine: Machine) -> None:
    first = machine(SAVE, "shared.json", "once.json")
    second = machine(SAVE, "once.json", "twice.json")

    once = (machine.folder / "once.json").read_bytes()
    saved = json.loads(once)
    assert (first.returncode, second.returncode) == (0, 0), first.stderr + second.stderr
    assert once == (machine.folder / "twice.json").read_bytes()
    assert [saved["nodes"][id] for id in ("twice", "tag")] == [DOCUMENT["nodes"][id] for id in ("twice", "tag")]
    assert all(saved[key] == DOCUMENT[key] for key in ("meta", "graphs", "interface", "ui"))
    assert saved["packs"]["mypack"] == DOCUMENT["packs"]["mypack"]


def test_running_says_what_is_missing(machine: Machine) -> None:
    done = machine(SHELL, "run", "shared.json")

    assert done.returncode == 3
    assert MISSING in done.stderr
