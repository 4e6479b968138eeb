"""Linter, formatter and both type checkers accept the whole tree."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    "command",
    [
        ["ruff", "check", "."],
        ["ruff", "format", "--check", "."],
        ["mypy"],
        ["pyright", "--pythonpath", sys.executable],
    ],
    ids=["lint", "format", "mypy", "pyright"],
)
def test_tool_is_satisfied(command: list[str]) -> None:
    result = subprocess.run([sys.executable, "-m", *command], cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


FORBIDDEN = {"utils", "helpers", "manager", "common", "misc"}


def python_files() -> list[Path]:
    return [path for top in ("nodeflow", "nodes") for path in (ROOT / top).rglob("*.py")]


def test_no_module_is_a_drawer() -> None:
    assert [path for path in python_files() if FORBIDDEN & set(path.stem.split("_"))] == []


def test_every_module_says_what_is_in_it() -> None:
    starts = {path: path.read_text(encoding="utf-8").lstrip()[:4] for path in python_files()}
    assert [path for path, start in starts.items() if not start.startswith(('"""', 'r"""'))] == []
