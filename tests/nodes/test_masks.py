"""Nodes that make masks and change them."""

from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image as Pillow

from nodeflow import Session
from nodeflow.api import Graph, InputError
from nodeflow.diffusion.types import Image, Mask
from nodeflow_nodes.masks import (
    crop_mask,
    feather_mask,
    grow_mask,
    image_color_to_mask,
    image_to_mask,
    invert_mask,
    load_image_mask,
    mask_composite,
    mask_preview,
    mask_to_image,
    solid_mask,
    threshold_mask,
)


def some(rows: int = 1, height: int = 6, width: int = 8) -> Mask:
    return Mask(torch.rand(rows, height, width))


@pytest.mark.parametrize(("channel", "value"), [("alpha", 0.8), ("red", 1.0), ("green", 0.4), ("blue", 0.0)])
def test_a_channel_of_a_file_is_a_mask(channel: Any, value: float, tmp_path: Path) -> None:
    path = tmp_path / "half.png"
    Pillow.new("RGBA", (4, 2), (255, 102, 0, 51)).save(path)
    mask = load_image_mask(path, channel)
    assert mask.values.shape == (1, 2, 4)
    assert mask.values.unique().tolist() == pytest.approx([value])


def test_of_a_file_without_transparency_nothing_is_chosen(tmp_path: Path) -> None:
    path = tmp_path / "plain.png"
    Pillow.new("RGB", (4, 2)).save(path)
    assert not load_image_mask(path).values.any()


def test_files_are_told_of_as_everywhere(tmp_path: Path, recorder: Any) -> None:
    pages, letter = tmp_path / "pages.tiff", tmp_path / "letter.png"
    Pillow.new("RGB", (4, 4)).save(pages, save_all=True, append_images=[Pillow.new("RGB", (2, 2))])
    load_image_mask(pages, "red", run=recorder)
    assert recorder.warnings == ["1 frames of another size than the first were left out"]
    letter.write_text("Dear reader")
    with pytest.raises(InputError, match=r"^image: letter\.png is not a picture"):
        load_image_mask(letter)


def test_a_solid_mask_is_made() -> None:
    assert solid_mask(0.5, 8, 6).values.shape == (1, 6, 8)
    assert solid_mask().values.unique().tolist() == [1.0]


def test_channels_and_colours_become_masks() -> None:
    image = Image(torch.rand(2, 3, 4, 3))
    assert torch.equal(image_to_mask(image, "blue").values, image.pixels[..., 2])
    with pytest.raises(InputError, match=r"^channel: these pictures have no alpha channel; choose red, green or blue"):
        image_to_mask(image, "alpha")
    black = Image(torch.zeros(1, 2, 2, 3))
    assert image_color_to_mask(black).values.all()
    assert not image_color_to_mask(black, 1).values.any()


def test_a_mask_is_seen_as_a_grey_picture(recorder: Any) -> None:
    mask = some(2)
    assert torch.equal(mask_to_image(mask).pixels[..., 1], mask.values)
    mask_preview(mask, run=recorder)
    (shown,) = recorder.shown
    assert torch.equal(shown.pixels[..., 0], mask.values)
    assert recorder.saved == []


def test_masks_are_turned_round_made_hard_and_softened() -> None:
    mask = some()
    assert torch.equal(invert_mask(mask).values, 1 - mask.values)
    assert torch.equal(threshold_mask(mask, 0.25).values, (mask.values > 0.25).float())
    assert feather_mask(solid_mask(1.0, 8, 6), left=2).values[0, 0].tolist() == [0.5] + [1] * 7
    assert torch.equal(feather_mask(mask).values, mask.values)


def test_a_mask_grows_and_shrinks() -> None:
    dot = torch.zeros(1, 7, 7)
    dot[0, 3, 3] = 1
    assert grow_mask(Mask(dot), 2).values.sum() == 13
    assert grow_mask(Mask(dot), 2, False).values.sum() == 25
    assert torch.equal(grow_mask(grow_mask(Mask(dot), 2, False), -2, False).values, dot)
    assert torch.equal(grow_mask(Mask(dot)).values, dot)


def test_a_rectangle_is_cut_out_of_a_mask(recorder: Any) -> None:
    mask = some(2)
    assert torch.equal(crop_mask(mask, 1, 2, 3, 4, run=recorder).values, mask.values[:, 2:6, 1:4])
    assert recorder.warnings == []
    crop_mask(mask, run=recorder)
    assert recorder.warnings == ["the crop of 512x512 reaches over the edge, and 8x6 are left of it"]


@pytest.mark.parametrize(("place", "blamed"), [({"x": 8}, "x: 8"), ({"y": 6}, "y: 6")])
def test_a_crop_outside_the_mask_is_refused(place: Any, blamed: str) -> None:
    with pytest.raises(InputError, match=rf"^{blamed} lies outside: the .* of the mask is"):
        crop_mask(some(), width=4, height=4, **place)


def test_masks_are_combined_at_a_place(recorder: Any) -> None:
    below, above = some(2), some(1, 2, 2)
    found = mask_composite(below, above, 3, 4, run=recorder)
    assert torch.equal(found.values[:, 4:, 3:5], below.values[:, 4:, 3:5] * above.values)
    assert recorder.warnings == []
    with pytest.raises(InputError, match=r"^source: batches of 2 and 3 do not go together"):
        mask_composite(below, some(3))


def test_a_mask_that_lies_outside_is_told(recorder: Any) -> None:
    below = some()
    assert torch.equal(mask_composite(below, some(), 8, 0, "xor", run=recorder).values, below.values)
    assert recorder.warnings == ["at x 8, y 0 the source lies outside the destination of 8x6, which stays as it is"]


def test_sizes_and_values_out_of_range_are_refused_before_anything_runs(tmp_path: Path) -> None:
    graph = Graph()
    too_wide: Any = {"width": 16_385, "height": 0, "value": 1.5}
    graph.output("mask", graph(solid_mask)(**too_wide))
    problems = " ".join(map(str, Session(tmp_path).check(graph)))
    assert all(f"{name}: " in problems for name in too_wide)
