"""Story 3, Monday's upgrade.

A picture made with pack 1.0; 1.1 repairs a helper without touching versions, changes a default, renames an output and
an id: Friday's file opens and runs with its own values, nothing old is served from the cache, ``reproduce`` names the
pack as the first difference, and ``explain`` agrees.
"""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

FRIDAY = {
    "__init__.py": """
from nodeflow.api import Pack

pack = Pack("mypack", "1.0", modules=("nodes",))
""",
    "helpers.py": """
def level(amount):
    return amount / 2  # wrong: half of what was asked for
""",
    "nodes.py": """
from typing import Annotated, NamedTuple

import torch

from nodeflow.api import Field, node
from nodeflow.diffusion.types import Image

from .helpers import level


class Shaded(NamedTuple):
    picture: Image
    amount: float


@node("mypack.Shade")
def shade(width: int = 16, amount: Annotated[float, Field(ge=0, le=1)] = 0.5) -> Shaded:
    '''Make a grey picture.'''
    return Shaded(Image(torch.full((1, 8, width, 3), level(amount))), amount)


@node("mypack.Frame")
def frame(image: Image, dark: bool = True) -> Image:
    '''Put a frame around a picture.'''
    pixels = image.pixels.clone()
    pixels[:, 0] = pixels[:, -1] = 0.0 if dark else 1.0
    return image.replace(pixels=pixels)
""",
}

MONDAY = {
    **FRIDAY,
    "__init__.py": FRIDAY["__init__.py"].replace("1.0", "1.1"),
    "helpers.py": """
def level(amount):
    return amount
""",
    "nodes.py": FRIDAY["nodes.py"]
    .replace("import Field, node", "import Field, Migrated, migrates, node")
    .replace("picture: Image", "toned: Image")
    .replace('"mypack.Shade"', '"mypack.Tone"')
    .replace("= 0.5", "= 0.9")
    .replace("dark: bool = True", "dark: bool = False")
    + """

@migrates("mypack.Shade", 1)
def _shade_is_called_tone(inputs):
    return Migrated(inputs, outputs={"picture": "toned"}, type="mypack.Tone")
""",
}

WORKFLOW = {
    "nodeflow": 1,
    "nodes": {
        "shade": {"type": "mypack.Shade", "version": 1, "inputs": {"width": 24}},
        "frame": {"type": "mypack.Frame", "version": 1, "inputs": {"image": {"link": "shade.picture"}}},
    },
    "interface": {"outputs": {"picture": {"from": "frame.image"}}},
}


class Shell:
    """The shell of a user who has the pack in a folder of the home; every command is a process of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.pack = folder / "home" / "packs" / "mypack"
        self.pack.mkdir(parents=True)

    def install(self, files: Mapping[str, str]) -> None:
        for name, text in files.items():
            (self.pack / name).write_text(f'"""A pack."""\n{text}')

    def __call__(self, *words: str) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "NODEFLOW_HOME": str(self.folder / "home"), "PYTHONDONTWRITEBYTECODE": "1"}
        command = [sys.executable, "-m", "nodeflow.cli.main", *words]
        return subprocess.run(
            command, cwd=self.folder, env=environment, capture_output=True, text=True, check=False, timeout=60
        )

    def report(self, *words: str) -> Any:
        done = self(*words)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Shell:
    """Friday's picture is made, and made again from the cache; then comes the upgrade."""
    shell = Shell(tmp_path_factory.mktemp("monday"))
    shell.install(FRIDAY)
    (shell.folder / "work.json").write_text(json.dumps(WORKFLOW))
    shell.report("run", "work.json", "--json")
    shell.install(MONDAY)
    return shell


PICTURE = "output/picture_00001.png"


def test_the_file_says_with_what_it_was_made(shell: Shell) -> None:
    done = shell("check", PICTURE)

    assert done.returncode == 0, done.stderr
    assert "made with another version of the pack mypack; found 1.1 is installed; expected 1.0" in done.stderr
    assert 'pip install "mypack==1.0"' in done.stderr
    assert shell("check", PICTURE, "--strict").returncode == 3


def test_explain_says_that_the_code_changed_and_the_run_uses_nothing_old_and_its_own_values(shell: Shell) -> None:
    explained = {item["node"]: item for item in shell.report("explain", PICTURE, "--json")}
    report = shell.report("run", PICTURE, "--json", "--output-dir", "monday")
    embedded = shell.report("lock", "monday/picture_00001.png")

    assert {id: item["state"] for id, item in explained.items()} == {"shade": "run", "frame": "run"}
    assert "the code that computes it changed" in explained["frame"]["reasons"]
    assert {id: node["status"] for id, node in report["nodes"].items()} == {"shade": "ran", "frame": "ran"}
    assert embedded["nodes"]["shade"]["type"] == "mypack.Tone"
    assert embedded["nodes"]["shade"]["inputs"] == {"width": 24, "amount": 0.5}
    assert embedded["nodes"]["frame"]["inputs"] == {"image": {"link": "shade.toned"}, "dark": True}
    assert embedded["packs"]["mypack"]["version"] == "==1.1"


def test_reproduce_names_the_pack_first(shell: Shell) -> None:
    done = shell("reproduce", PICTURE)

    assert done.returncode == 1, done.stderr
    assert done.stdout.splitlines()[:2] == [
        f"{PICTURE}: not reproduced",
        "first difference: packs · mypack · version: was 1.0, is 1.1",
    ]
    assert "pixels differ" in done.stdout
