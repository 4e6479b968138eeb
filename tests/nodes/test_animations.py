"""Nodes that write batches as moving pictures."""

import io
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image as Pillow

from nodeflow import Session
from nodeflow.api import Graph, InputError
from nodeflow.diffusion.pictures import read_picture
from nodeflow.diffusion.types import Image
from nodeflow.storage.png import read_texts
from nodeflow_nodes.animations import save_animated_png, save_animated_webp
from nodeflow_nodes.filters import image_add_noise
from nodeflow_nodes.images import empty_image


def frames(rows: int = 3) -> Image:
    return Image(torch.randint(0, 256, (rows, 8, 12, 3)).float() / 255)


@pytest.mark.parametrize(("save", "suffix"), [(save_animated_webp, "webp"), (save_animated_png, "png")])
def test_a_batch_becomes_one_file(save: Any, suffix: str, recorder: Any) -> None:
    image = frames()
    save(image, "cats/walk", 10.0, run=recorder)
    ((prefix, found, data),) = recorder.saved
    assert (prefix, found) == ("cats/walk", suffix)
    assert torch.equal(read_picture(data).image.pixels, image.pixels)
    with Pillow.open(io.BytesIO(data)) as picture:
        picture.load()
        assert picture.info["duration"] == 100


def test_an_animated_png_carries_its_document(recorder: Any) -> None:
    save_animated_png(frames(), run=recorder)
    ((_, _, data),) = recorder.saved
    assert json.loads(read_texts(data)["nodeflow"]) == {"nodeflow": 1}


def test_an_animated_webp_carries_its_document(recorder: Any) -> None:
    save_animated_webp(frames(), run=recorder)
    ((_, _, data),) = recorder.saved
    with Pillow.open(io.BytesIO(data)) as picture:
        assert 'nodeflow:{"nodeflow": 1}' in picture.getexif().values()


def test_quality_and_method_are_the_formats_own(recorder: Any) -> None:
    save_animated_webp(frames(), lossless=False, quality=1, method="slowest", run=recorder)
    save_animated_webp(frames(), lossless=False, quality=100, method="fastest", run=recorder)
    for level in (0, 9):
        save_animated_png(Image(torch.zeros(2, 64, 64, 3)), compress_level=level, run=recorder)
    sizes = [len(data) for _, _, data in recorder.saved]
    assert sizes[0] < sizes[1]
    assert sizes[3] < sizes[2]


def test_pictures_too_large_for_the_format_are_told(recorder: Any) -> None:
    with pytest.raises(InputError, match=r"^images: 2 frames of 16400x1 cannot be written as WEBP"):
        save_animated_webp(Image(torch.rand(2, 1, 16_400, 3)), run=recorder)
    assert recorder.saved == []


@pytest.mark.parametrize("save", [save_animated_webp, save_animated_png])
def test_a_prefix_that_leaves_the_output_folder_is_refused_before_anything_runs(save: Any, tmp_path: Path) -> None:
    graph = Graph()
    graph(save)(graph(empty_image)(8, 8), "../walk")
    (problem,) = Session(tmp_path).check(graph)
    assert "is no name inside the output folder" in str(problem)


def test_a_run_leaves_one_moving_picture(tmp_path: Path) -> None:
    graph = Graph()
    graph(save_animated_png)(graph(image_add_noise)(graph(empty_image)(16, 16, 4)), "walk")
    Session(tmp_path / "home", output_dir=tmp_path / "out").run(graph)
    (file,) = (tmp_path / "out").glob("*.png")
    assert file.name == "walk_00001.png"
    assert len(read_picture(file).image) == 4
