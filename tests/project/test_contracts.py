"""The import contracts of pyproject.toml hold, and each is shown to fail when it is violated."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def lint(tree: Path) -> subprocess.CompletedProcess[str]:
    program = "import sys; from importlinter.cli import lint_imports_command; sys.exit(lint_imports_command())"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tree), str(tree / "nodes")])}
    return subprocess.run(
        [sys.executable, "-c", program, "--config", str(tree / "pyproject.toml"), "--no-cache"],
        cwd=tree,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of the sources, so that a test may break a rule."""
    only_python = shutil.ignore_patterns("__pycache__", "*.safetensors", "*.gz", "*.png", "*.webp", "*.json")
    for package in ("nodeflow", "nodes"):
        shutil.copytree(ROOT / package, tmp_path / package, ignore=only_python)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def test_the_project_keeps_its_contracts(tree: Path) -> None:
    result = lint(tree)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize(
    ("module", "line", "contract"),
    [
        ("nodeflow/core/types.py", "import nodeflow.engine", "Layers"),
        ("nodeflow/api.py", "import nodeflow.session", "Layers"),
        ("nodeflow/engine/keys.py", "import nodeflow.storage", "Layers"),
        ("nodeflow/session/session.py", "import nodeflow.testing", "Layers"),
        ("nodeflow/core/errors.py", "import nodeflow.core.validate", "No import cycles"),
        ("nodeflow/engine/keys.py", "import torch", "never import torch"),
        ("nodeflow/storage/outputs.py", "from PIL import Image", "never import torch"),
        ("nodeflow/core/spec.py", "import numpy", "never import torch"),
        ("nodeflow/diffusion/preview.py", "import nodeflow.core", "library of its own"),
        ("nodes/nodeflow_nodes/sampling.py", "import nodeflow.core.types", "Node packs"),
        ("nodes/nodeflow_nodes/sampling.py", "import nodeflow.engine", "Node packs"),
    ],
)
def test_a_broken_rule_is_named(tree: Path, module: str, line: str, contract: str) -> None:
    with (tree / module).open("a") as file:
        file.write(f"\n{line}\n")
    result = lint(tree)
    broken = [text for text in result.stdout.splitlines() if text.rstrip().endswith("BROKEN")]
    assert result.returncode == 1, result.stdout + result.stderr
    assert any(contract in text for text in broken), result.stdout


def test_importing_nodeflow_loads_neither_torch_nor_the_session() -> None:
    program = "import sys, nodeflow; sys.exit(bool({'torch', 'numpy', 'nodeflow.session'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
