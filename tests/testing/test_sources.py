"""What is found in the sources of a pack without importing them."""

from pathlib import Path

import pytest

from nodeflow.testing.sources import NOWHERE, Sources


def sources(folder: Path, **modules: str) -> Sources:
    root = folder / "mine"
    root.mkdir()
    for name, text in {"__init__": "", **modules}.items():
        (root / f"{name}.py").write_text(text)
    return Sources("mine", root)


@pytest.mark.parametrize(
    ("text", "code", "name"),
    [
        ("eval('1')", "code.dynamic", "eval"),
        ("exec('1')", "code.dynamic", "exec"),
        ("import pickle\npickle.loads(b'')", "code.pickle", "pickle.loads"),
        ("from pickle import load as read\nread(file)", "code.pickle", "pickle.load"),
        ("import os\nos.system('ls')", "code.shell", "os.system"),
        ("from os import popen\npopen('ls')", "code.shell", "os.popen"),
        ("import subprocess\nsubprocess.run('ls', shell=True)", "code.shell", "subprocess.run"),
        ("import torch\ntorch.load('x.pt')", "code.pickle", "torch.load"),
        ("import torch as t\nt.load('x.pt', weights_only=False)", "code.pickle", "torch.load"),
        ("import numpy as np\nnp.load('x.npy', allow_pickle=True)", "code.pickle", "numpy.load"),
    ],
)
def test_a_call_that_may_run_anything_is_found(tmp_path: Path, text: str, code: str, name: str) -> None:
    (found,) = sources(tmp_path, nodes=text).calls()
    assert (found.code, found.message) == (code, f"{name} is called")
    assert found.place == f"{tmp_path / 'mine' / 'nodes.py'}:{len(text.splitlines())}"


@pytest.mark.parametrize(
    "text",
    [
        "model.eval()",
        "import torch\ntorch.load('x.pt', weights_only=True)",
        "import numpy as np\nnp.load('x.npy')",
        "import subprocess\nsubprocess.run(['ls'])",
        "import json\njson.loads('1')",
        "from .pickle import loads\nloads('1')",
        "(lambda: 1)()",
        "not python",
    ],
)
def test_a_harmless_call_is_not(tmp_path: Path, text: str) -> None:
    assert list(sources(tmp_path, nodes=text).calls()) == []


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("import os, torch", 1),
        ("import os\nfrom torch.nn import functional", 2),
        ("try:\n    import torch\nexcept ImportError:\n    torch = None", 2),
        ("if True:\n    import torch", 2),
        ("class A:\n    import torch", 2),
        ("with x:\n    import torch", 2),
        ("def f():\n    import torch", 0),
        ("from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import torch", 0),
        ("from . import torch", 0),
    ],
)
def test_an_import_at_once_is_told_from_one_that_waits(tmp_path: Path, text: str, line: int) -> None:
    assert sources(tmp_path, nodes=text).importing("torch")[1] == line


def test_a_node_is_found_where_it_is_defined(tmp_path: Path) -> None:
    read = sources(tmp_path, nodes="\n@node('x')\ndef one(): ...\n\n\nclass C:\n    def two(): ...\n")
    file = str(tmp_path / "mine" / "nodes.py")
    assert read.place("mine.nodes:one") == (file, 3)
    assert read.place("mine.nodes:C.two") == (file, 7)
    assert read.place("mine.nodes:three") == NOWHERE
    assert read.place("mine.elsewhere:one") == NOWHERE
    assert read.place("mine:one") == NOWHERE


def test_a_pack_of_one_file_is_read_too(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("def one(): ...\n")
    assert Sources("mine", tmp_path / "mine.py").place("mine:one") == (str(tmp_path / "mine.py"), 1)
