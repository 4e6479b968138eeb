"""*I deleted it and pressed Run.* A picture whose file is gone comes back from what is remembered; then: unchanged."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from nodeflow import Session


def run(work: Path, *words: str) -> tuple[dict[str, Any], str]:
    """``nodeflow run`` in a new process."""
    command = [sys.executable, "-m", "nodeflow.cli.main", "run", "drawn.json", "--json", *words]
    env = {**os.environ, "NODEFLOW_HOME": str(work / "home"), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=work, env=env, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert isinstance(report, dict)
    return report, done.stderr


def test_a_deleted_picture_comes_back_without_a_step_and_is_unchanged_afterwards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with Session(home="home", device="cpu") as session:
        tree = json.loads(session.document("txt2img").dumps())
        tree["nodes"]["sample"]["inputs"]["seed"] = {"draw": "random"}
        tree["nodes"]["sample"]["inputs"]["steps"] = 3
        Path("drawn.json").write_text(json.dumps(tree))
        results = [session.run("drawn.json") for _ in range(5)]
    pictures = [result["picture"].path for result in results]
    assert [path.name for path in pictures] == [f"txt2img_{number:05d}.png" for number in range(1, 6)]
    assert len({path.read_bytes() for path in pictures}) == 5
    before = {path: path.read_bytes() for path in pictures}
    seed = results[2].drawn["sample.seed"]
    pictures[2].unlink()

    report, said = run(tmp_path, "--input", f"seed={seed}")
    assert report["outputs"]["picture"]["paths"] == ["output/txt2img_00003.png"]
    assert {path: path.read_bytes() for path in pictures} == before, "the very file is back, and no other was touched"
    assert "steps in" not in said
    statuses = {node: each["status"] for node, each in report["nodes"].items()}
    assert statuses["base"] == statuses["sample"] == "skipped", "no model was loaded and no step was made"
    assert statuses["decode"] == "hit-disk"
    assert report["unchanged"] == []

    report, said = run(tmp_path, "--input", f"seed={seed}")
    assert report["unchanged"] == ["output/txt2img_00003.png"]
    assert "save: output/txt2img_00003.png is unchanged" in said
    assert sorted(path.name for path in Path("output").glob("*.png")) == [path.name for path in pictures]
