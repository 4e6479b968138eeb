"""Nodes that cut, turn, pad and join pictures."""

from typing import Any

import pytest
import torch

from nodeflow.api import InputError
from nodeflow.diffusion.types import Image, Item
from nodeflow_nodes.geometry import (
    image_crop,
    image_flip,
    image_pad_for_outpaint,
    image_rotate,
    image_stitch,
    resize_and_pad_image,
)


def picture(rows: int = 1, height: int = 8, width: int = 12, channels: int = 3) -> Image:
    return Image(torch.rand(rows, height, width, channels))


def test_a_rectangle_is_cut_out(recorder: Any) -> None:
    image = Image(picture(2).pixels, (Item(1, 3), Item(2, 3)))
    found = image_crop(image, 5, 4, 3, 2, run=recorder)
    assert torch.equal(found.pixels, image.pixels[:, 2:6, 3:8])
    assert found.items == image.items
    assert recorder.warnings == []


def test_a_crop_over_the_edge_gives_what_there_is_and_says_so(recorder: Any) -> None:
    image = picture()
    found = image_crop(image, 512, 512, 10, 0, run=recorder)
    assert torch.equal(found.pixels, image.pixels[:, :, 10:])
    assert recorder.warnings == ["the crop of 512x512 reaches over the edge, and 2x8 are left of it"]


@pytest.mark.parametrize(("place", "blamed"), [({"x": 12}, "x: 12"), ({"y": 8}, "y: 8")])
def test_a_crop_outside_the_picture_is_refused(place: Any, blamed: str) -> None:
    with pytest.raises(InputError, match=rf"^{blamed} lies outside: the .* of the picture is"):
        image_crop(picture(), 4, 4, **place)


def test_room_is_made_for_painting(recorder: Any) -> None:
    image = picture(2, 20, 30)
    larger, mask = image_pad_for_outpaint(image, left=8, bottom=16, feathering=5, run=recorder)
    assert larger.pixels.shape == (2, 36, 38, 3)
    assert mask.values.shape == (1, 36, 38)
    assert mask.values[0, 0].tolist()[:14] == pytest.approx([1] * 8 + [1, 0.64, 0.36, 0.16, 0.04, 0])
    assert recorder.warnings == []


def test_feathering_that_is_too_wide_is_told(recorder: Any) -> None:
    _, mask = image_pad_for_outpaint(picture(), 8, 8, 8, 8, run=recorder)
    assert mask.values.unique().tolist() == [0.0, 1.0]
    assert recorder.warnings == ["feathering 40 is too wide for pictures of 12x8 and left out; stay below half a side"]


@pytest.mark.parametrize(
    ("rotation", "corner"),
    [("none", (0, 0)), ("90 degrees", (0, -1)), ("180 degrees", (-1, -1)), ("270 degrees", (-1, 0))],
)
def test_the_upper_left_corner_goes_round_clockwise(rotation: Any, corner: tuple[int, int]) -> None:
    image = picture()
    assert torch.equal(image_rotate(image, rotation).pixels[0, *corner], image.pixels[0, 0, 0])


def test_flipping_vertically_puts_what_is_above_below() -> None:
    image = picture()
    assert torch.equal(image_flip(image).pixels[:, 0], image.pixels[:, -1])
    assert torch.equal(image_flip(image, "y-axis: horizontally").pixels[:, :, 0], image.pixels[:, :, -1])


def test_pictures_are_put_beside_each_other() -> None:
    one, other = picture(), picture()
    assert torch.equal(image_stitch(one, other, "down", match_image_size=False).pixels[:, 8:], other.pixels)
    assert image_stitch(one, picture(1, 16, 12), spacing_width=4).width == 12 + 4 + 6
    assert image_stitch(one) is one


def test_a_stitch_that_does_not_fit_into_memory_is_refused() -> None:
    thin, wide = Image(torch.zeros(1, 1, 1, 3).expand(1, 16384, 1, 3)), Image(torch.zeros(1, 1, 4000, 3))
    with pytest.raises(InputError, match=r"^image2: 1 x 65536001x16384 pixels take"):
        image_stitch(thin, wide)


def test_a_picture_is_fitted_into_a_size() -> None:
    found = resize_and_pad_image(picture(), 24, 24)
    assert (found.width, found.height) == (24, 24)
    assert found.pixels[:, :4].min() == found.pixels[:, 20:].min() == 1
    assert resize_and_pad_image(picture(), 24, 24, "black").pixels[:, :4].max() == 0


def test_a_size_that_does_not_fit_into_memory_is_refused() -> None:
    with pytest.raises(InputError, match=r"^target_width: 4096 x 16384x16384 pixels take"):
        resize_and_pad_image(Image(torch.zeros(1, 1, 1, 3).expand(4096, 1, 1, 3)), 16384, 16384)
