"""Nodes that lay pictures onto others and mix them."""

from typing import Any

import pytest
import torch

from nodeflow.api import InputError
from nodeflow.diffusion.types import Image, Mask
from nodeflow_nodes.compositing import (
    image_blend,
    image_composite_masked,
    join_image_with_alpha,
    porter_duff_image_composite,
    split_image_with_alpha,
)


def picture(rows: int = 1, height: int = 8, width: int = 12, channels: int = 3) -> Image:
    return Image(torch.rand(rows, height, width, channels))


def mask(rows: int = 1, height: int = 8, width: int = 12) -> Mask:
    return Mask(torch.rand(rows, height, width))


def test_a_picture_is_laid_onto_another(recorder: Any) -> None:
    below, above = picture(2), picture(1, 4, 4)
    found = image_composite_masked(below, above, 10, 6, run=recorder)
    assert torch.equal(found.pixels[:, 6:, 10:], above.pixels[:, :2, :2].expand(2, -1, -1, -1))
    assert torch.equal(found.pixels[:, :6], below.pixels[:, :6])
    assert recorder.warnings == []


def test_a_mask_of_another_size_is_stretched() -> None:
    below, above = picture(), picture()
    nothing, all_of_it = Mask(torch.zeros(1, 3, 3)), Mask(torch.ones(1, 100, 2))
    assert torch.equal(image_composite_masked(below, above, mask=nothing).pixels, below.pixels)
    assert torch.allclose(image_composite_masked(below, above, mask=all_of_it).pixels, above.pixels)


def test_a_source_may_be_stretched_to_the_destination() -> None:
    found = image_composite_masked(picture(), Image(torch.full((1, 2, 2, 3), 0.5)), resize_source=True)
    assert torch.allclose(found.pixels, torch.full_like(found.pixels, 0.5))


def test_a_source_that_lies_outside_is_told(recorder: Any) -> None:
    below = picture()
    assert torch.equal(image_composite_masked(below, picture(), 0, 8, run=recorder).pixels, below.pixels)
    assert recorder.warnings == ["at x 0, y 8 the source lies outside the destination of 12x8, which stays as it is"]


def test_pictures_are_blended() -> None:
    one, other = picture(), picture()
    assert torch.allclose(image_blend(one, other).pixels, (one.pixels + other.pixels) / 2)
    assert torch.equal(image_blend(one, other, 1.0, "multiply").pixels, one.pixels * other.pixels)
    with pytest.raises(InputError, match=r"^image2: batches of 2 and 3 do not go together"):
        image_blend(picture(2), picture(3))


def test_layers_are_composed() -> None:
    source, destination, clear = picture(), picture(), Mask(torch.zeros(1, 8, 12))
    assert torch.equal(porter_duff_image_composite(source, clear, destination, clear).image.pixels, destination.pixels)
    found = porter_duff_image_composite(source, mask(), destination, clear, "SRC_OVER")
    assert not found.mask.values.any()


def test_transparency_is_taken_off_and_put_on_again() -> None:
    image = picture(2, channels=4)
    seen, clear = split_image_with_alpha(image)
    assert seen.pixels.shape == (2, 8, 12, 3)
    assert torch.allclose(join_image_with_alpha(seen, clear).pixels, image.pixels, atol=1e-6)
