"""The example packs in ``tests/plugin``: small, checked, and tested as their authors test them."""

import subprocess
import sys
from pathlib import Path

import pytest

from nodeflow.core.manifest import SNAPSHOT
from nodeflow.testing import assert_pack

PLUGINS = Path(__file__).parents[1] / "plugin"
EXAMPLES = ("lora_stack", "xy_plot", "detector", "paid_api", "next_take")
MOST_LINES = 60


def test_the_tests_of_the_example_packs_pass() -> None:
    command = (sys.executable, "-m", "pytest", "-q", "-c", "pytest.ini", *EXAMPLES)
    done = subprocess.run(command, cwd=PLUGINS, capture_output=True, text=True, check=False, timeout=300)

    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_pack_is_one_short_file_beside_its_snapshot_and_its_tests(name: str) -> None:
    code = (PLUGINS / name / "__init__.py").read_text(encoding="utf-8")

    assert len(code.splitlines()) < MOST_LINES
    sources = [path for path in (PLUGINS / name).rglob("*.*") if "__pycache__" not in path.parts]
    assert sorted(path.name for path in sources) == sorted(["__init__.py", SNAPSHOT, f"test_{name}.py"])


@pytest.mark.parametrize("name", EXAMPLES)
def test_nothing_is_found_in_an_example_pack(name: str) -> None:
    assert_pack(PLUGINS / name)
