"""A tiny detector, written by the test, on pictures with two spots of which one is brighter."""

from pathlib import Path

import pytest
import torch
from detector import Boxes, codec, find
from safetensors.torch import save_file

from nodeflow import Session
from nodeflow.api import Encoded, Graph
from nodeflow.diffusion.types import Image
from nodeflow.testing import NodeFailed, given, run_node


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """The mean over a square of three pixels, and over the three colours."""
    (tmp_path / "detectors").mkdir()
    save_file({"kernel": torch.full((1, 3, 3, 3), 1 / 27)}, tmp_path / "detectors" / "bright.safetensors")
    return tmp_path / "detectors" / "bright.safetensors"


@pytest.fixture
def image() -> Image:
    """Two pictures: a bright square at (20, 4) and a dim one at (4, 12), then the other way round."""
    pixels = torch.zeros(2, 24, 32, 3)
    for row, (first, second) in enumerate([(0.9, 0.4), (0.4, 0.9)]):
        pixels[row, 4:10, 20:28] = first
        pixels[row, 12:20, 4:10] = second
    return Image(pixels)


def test_the_brightest_spot_is_found_in_each_picture(image: Image, file: Path) -> None:
    found = run_node(find, image=image, detector=file, threshold=0.5).value

    assert found.boxes == Boxes(((20, 4, 28, 10), (4, 12, 10, 20)))
    for mask, (left, top, right, bottom) in zip(found.mask.values, found.boxes.places, strict=True):
        assert mask.sum() == mask[top:bottom, left:right].sum() == (bottom - top) * (right - left) - 4


def test_a_lower_threshold_takes_in_more_around_it(image: Image, file: Path) -> None:
    found = run_node(find, image=image, detector=file, threshold=0.3).value

    assert found.boxes == Boxes(((19, 3, 29, 11), (3, 11, 11, 21)))


def test_detectors_are_a_kind_of_model_that_is_found_by_name(image: Image, file: Path, tmp_path: Path) -> None:
    g = Graph()
    g.output("boxes", g(find)(given(g, image), Path("bright.safetensors")).boxes)

    with Session(tmp_path / "home", models_dirs=[tmp_path]) as session:
        assert session.run(g)["boxes"].value == Boxes(((20, 4, 28, 10), (4, 12, 10, 20)))


def test_boxes_can_be_kept_on_disk() -> None:
    boxes = Boxes(((1, 2, 3, 4), (5, 6, 7, 8)))

    assert codec.decode(codec.encode(boxes)) == boxes
    with pytest.raises(ValueError, match="invalid literal"):
        codec.decode(Encoded([["no number"]], []))


def test_a_file_without_a_kernel_is_told(image: Image, tmp_path: Path) -> None:
    save_file({"other": torch.zeros(1)}, tmp_path / "other.safetensors")

    with pytest.raises(NodeFailed, match=r"detector\.Find"):
        run_node(find, image=image, detector=tmp_path / "other.safetensors")
