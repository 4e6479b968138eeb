"""*Picture three of eight.* Of a batch of eight, the third picture is opened as a document for it alone, and run."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from nodeflow import Session
from nodeflow.cli.main import main
from nodeflow.session import Result

TOLERANCE = 1e-6
"""Between a picture made alone and in its batch: 0..1, float32 on a CPU, before rounding to bytes."""


@pytest.fixture(scope="module")
def eight(tmp_path_factory: pytest.TempPathFactory) -> Result:
    folder = tmp_path_factory.mktemp("eight")
    with Session(home=folder / "home", output_dir=folder / "output", device="cpu", dtype="fp32") as session:
        return session.run("txt2img", {"empty.batch_size": 8, "steps": 3, "seed": 11})


def pixels(path: Path) -> np.ndarray:
    with Image.open(path) as picture:
        return np.asarray(picture).astype(int)


def test_opened_for_itself_the_third_picture_is_made_alone_and_equal(eight: Result, tmp_path: Path) -> None:
    third = eight["picture"].paths[2]
    with Session(home=tmp_path / "home", output_dir=tmp_path / "output", device="cpu", dtype="fp32") as session:
        alone = session.run(session.document(third, item=True))
    assert [path.name for path in alone["picture"].paths] == ["txt2img_00001.png"]
    assert alone["picture"].tensor().shape == (1, 128, 128, 3)
    assert float((alone["picture"].tensor()[0] - eight["picture"].tensor()[2]).abs().max()) <= TOLERANCE
    assert np.abs(pixels(alone["picture"].path) - pixels(third)).max() <= 1
    assert not torch.allclose(alone["picture"].tensor()[0], eight["picture"].tensor()[1], atol=0.1)


def test_in_the_shell_it_is_one_picture_and_reproduce_says_equal(
    eight: Result, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    third = eight["picture"].paths[2]
    monkeypatch.setenv("NODEFLOW_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    assert main(["run", str(third), "--item"]) == 0
    assert capfd.readouterr().out.splitlines() == ["output/txt2img_00001.png"]
    made = tmp_path / "output/txt2img_00001.png"
    assert np.abs(pixels(made) - pixels(third)).max() <= 1
    for picture in (third, made):
        assert main(["reproduce", str(picture)]) == 0
        said = capfd.readouterr()
        assert "all pixels are equal" in said.out
        assert said.err.count("wrote") == 1, "one picture is made for it, not eight"
