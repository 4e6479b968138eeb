"""A wheel holds everything that a run needs, and works from any folder."""

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def build(folder: Path, target: str) -> list[Path]:
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", target, "-d", str(folder)],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    return [*folder.glob("*.whl")]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from this tree and unpacked as an installer does."""
    folder = tmp_path_factory.mktemp("wheel")
    (built,) = build(folder, "wheel")
    with zipfile.ZipFile(built) as archive:
        archive.extractall(folder / "site")
    return folder / "site"


def nodeflow(site: Path, folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    program = (
        f"import sys; sys.path.insert(0, {str(site)!r}); "
        f"import nodeflow; assert nodeflow.__file__.startswith({str(site)!r}), nodeflow.__file__; "
        f"from nodeflow.cli.main import main; sys.exit(main({list(words)!r}))"
    )
    environment = {**os.environ, "NODEFLOW_HOME": str(folder / "home"), "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [sys.executable, "-c", program], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


def test_the_wheel_runs_a_shipped_workflow_from_any_folder(wheel: Path, tmp_path: Path) -> None:
    result = nodeflow(wheel, tmp_path, "run", "txt2img", "--set", "sample.steps=2", "--json")
    assert result.returncode == 0, result.stderr
    (path,) = json.loads(result.stdout)["outputs"]["picture"]["paths"]
    assert (tmp_path / path).is_file()


def test_the_wheel_finds_its_checkpoint_and_its_nodes(wheel: Path, tmp_path: Path) -> None:
    models = nodeflow(wheel, tmp_path, "models")
    assert "emoji-tiny.safetensors" in models.stdout, models.stdout + models.stderr
    nodes = nodeflow(wheel, tmp_path, "nodes")
    assert "KSampler" in nodes.stdout, nodes.stdout + nodes.stderr


def test_the_wheel_writes_a_new_pack(wheel: Path, tmp_path: Path) -> None:
    made = nodeflow(wheel, tmp_path, "pack", "new", "film-look")
    assert made.returncode == 0, made.stdout + made.stderr
    assert (tmp_path / "film-look" / "film_look" / "spec.json").is_file()


def test_an_editable_install_copies_nothing_that_would_hide_a_package(tmp_path: Path) -> None:
    (built,) = build(tmp_path, "wheel:editable")
    with zipfile.ZipFile(built) as archive:
        inside = {name.split("/")[0] for name in archive.namelist()}
    assert not {"nodeflow", "nodeflow_nodes", "workflows"} & inside


def test_every_shipped_workflow_is_in_the_wheel(wheel: Path) -> None:
    inside = {path.name for path in (wheel / "nodeflow_nodes" / "workflows").iterdir()}
    assert {path.name for path in (ROOT / "workflows").iterdir()} <= inside


def test_the_wheel_brings_its_licences(wheel: Path) -> None:
    licences = {path.name for path in wheel.rglob("licenses/**/*") if path.is_file()}
    assert {"LICENSE", "NOTICE"} <= licences


def test_a_checker_sees_the_types_of_what_is_installed_from_any_folder(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "from nodeflow.api import Graph\n"
        "from nodeflow_nodes.latents import empty_latent\n"
        'Graph()(empty_latent)("wide", 128)\n',
        encoding="utf-8",
    )
    environment = {name: value for name, value in os.environ.items() if name not in ("MYPYPATH", "PYTHONPATH")}
    command = [sys.executable, "-m", "mypy", "--strict", "--config-file=", script.name]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)

    assert "script.py:3: error" in done.stdout, done.stdout + done.stderr
    assert "import-not-found" not in done.stdout, done.stdout
