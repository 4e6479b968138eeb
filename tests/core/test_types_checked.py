"""Whole graphs are checked while they are typed: two checkers refuse every wrong line and accept every right one."""

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
TYPES = ROOT / "tests" / "types"
FILES = sorted(TYPES.rglob("*.py"))
Line = tuple[str, int]


def marked() -> dict[Line, str]:
    """Lines that say that they are wrong, with the reason."""
    return {
        (file.relative_to(TYPES).as_posix(), number): line.partition("# wrong: ")[2]
        for file in FILES
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1)
        if "# wrong: " in line
    }


WRONG = marked()


def checker(*command: str) -> str:
    command = (sys.executable, "-m", *command, *map(str, FILES))
    done = subprocess.run(command, cwd=TYPES, capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode in (0, 1), done.stdout + done.stderr
    return done.stdout


def mypy() -> set[Line]:
    output = checker(
        "mypy",
        "--strict",
        "--config-file",
        str(ROOT / "pyproject.toml"),
        "--follow-imports=silent",
        "--no-error-summary",
    )
    found = re.findall(r"^(\S+?\.py):(\d+): error: ", output, re.MULTILINE)
    return {(Path(file).as_posix(), int(line)) for file, line in found}


def pyright() -> set[Line]:
    report: Any = json.loads(checker("pyright", "--outputjson", "--pythonpath", sys.executable))
    return {
        (Path(item["file"]).relative_to(TYPES).as_posix(), item["range"]["start"]["line"] + 1)
        for item in report["generalDiagnostics"]
        if item["severity"] == "error"
    }


@pytest.fixture(scope="module", params=[mypy, pyright], ids=["mypy", "pyright"])
def refused(request: pytest.FixtureRequest) -> set[Line]:
    run: Callable[[], set[Line]] = request.param
    return run()


@pytest.mark.parametrize("line", WRONG, ids=[f"{file}:{line}" for file, line in WRONG])
def test_a_wrong_line_is_refused(refused: set[Line], line: Line) -> None:
    assert line in refused, f"nobody notices {WRONG[line]}"


def test_nothing_else_is_refused(refused: set[Line]) -> None:
    assert refused <= WRONG.keys()


def test_there_are_enough_of_both_kinds() -> None:
    assert len(WRONG) >= 8
    assert len([file for file in FILES if file.parent.name == "right"]) >= 2
