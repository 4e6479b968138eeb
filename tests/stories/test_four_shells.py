"""*Four shells.* Twenty runs, four at a time, on one home and into one folder, with a pack that prints to stdout.

Every prompt is asked for four times, so that processes also wait for what another is just computing.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from nodeflow import Session

PACK = Path(__file__).parent / "packs" / "loud"
PROMPTS = [
    "a cat on a blue background",
    "a panda on a yellow background",
    "a rocket on a red background",
    "a fox on a white background",
    "a pumpkin on a black background",
]
RUNS = 20
STEPS = 2


def document() -> bytes:
    """Text to image, its prompt handed on by the pack."""
    tree: dict[str, Any] = json.loads((Path(__file__).parents[2] / "workflows" / "txt2img.json").read_bytes())
    tree["nodes"]["prompt"] = {"type": "loud.Prompt", "inputs": {"text": ""}}
    tree["nodes"]["positive"]["inputs"]["text"] = {"link": "prompt.text"}
    tree["nodes"]["sample"]["inputs"]["steps"] = STEPS
    tree["interface"]["inputs"]["prompt"]["to"] = ["prompt.text"]
    return json.dumps(tree).encode()


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "home"
    shutil.copytree(PACK, folder / "packs" / "loud", ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setenv("NODEFLOW_HOME", str(folder))
    return folder


def pixels(path: Path) -> np.ndarray:
    with Image.open(path) as picture:
        return np.asarray(picture)


def test_twenty_runs_four_at_a_time_give_twenty_lines_and_twenty_right_pictures(home: Path, tmp_path: Path) -> None:
    work = tmp_path / "work"
    work.mkdir()
    (work / "loud.json").write_bytes(document())
    asked = {f"{number:02d}.json": PROMPTS[number % len(PROMPTS)] for number in range(RUNS)}
    for name, prompt in asked.items():
        inputs = {"prompt": prompt, "save.filename_prefix": name.removesuffix(".json")}
        (work / name).write_text(json.dumps(inputs))
    command = [sys.executable, "-m", "nodeflow.cli.main", "run", "loud.json", "--json", "--inputs", "{}"]
    done = subprocess.run(
        ["xargs", "-P4", "-I{}", *command],
        input="".join(f"{name}\n" for name in asked),
        cwd=work,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert " lock" not in done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line["status"] for line in lines] == ["ok"] * RUNS
    voices = [done.stderr.count(voice) for voice in ("Python says", "C says", "a program says")]
    assert voices == [sum(line["nodes"]["prompt"]["status"] == "ran" for line in lines)] * 3, "all of it, and elsewhere"
    made = {line["outputs"]["picture"]["paths"][0] for line in lines}
    assert made == {f"output/{number:02d}_00001.png" for number in range(RUNS)}
    with Session(home=tmp_path / "another", output_dir=tmp_path / "alone", device="cpu") as session:
        alone = {
            prompt: pixels(session.run("txt2img", {"prompt": prompt, "steps": STEPS})["picture"].path)
            for prompt in PROMPTS
        }
    for path in made:
        prompt = asked[f"{Path(path).name[:2]}.json"]
        assert np.array_equal(pixels(work / path), alone[prompt]), "the picture is that of its prompt"
