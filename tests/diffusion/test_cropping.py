"""The middle of pictures and latents, whatever their proportions."""

import pytest
import torch

from nodeflow.diffusion.cropping import central
from nodeflow.diffusion.images import ImageMethod, scale_image
from nodeflow.diffusion.latents import resized
from nodeflow.diffusion.types import Image


def test_as_much_is_cut_off_at_either_end() -> None:
    assert central(40, 100, 1.0) == (slice(0, 40), slice(30, 70))
    assert central(100, 40, 2.0) == (slice(40, 60), slice(0, 40))
    assert central(30, 60, 2.0) == (slice(0, 30), slice(0, 60))


def test_half_a_pixel_is_rounded_as_in_comfyui() -> None:
    assert central(10, 3, 3 / 7) == (slice(1, 9), slice(0, 3))
    assert central(25, 14, 1.0) == (slice(5, 20), slice(0, 14))


@pytest.mark.parametrize(("high", "wide", "aspect"), [(1000, 3, 500.0), (3, 1000, 0.002), (1, 1, 9.0)])
def test_something_is_left_however_thin_the_part_is(high: int, wide: int, aspect: float) -> None:
    rows, columns = central(high, wide, aspect)
    assert (rows.stop - rows.start, columns.stop - columns.start) >= (1, 1)
    assert (rows.start, columns.start) == (high - rows.stop, wide - columns.stop)


@pytest.mark.parametrize("method", ["nearest-exact", "bilinear", "area", "bicubic", "lanczos"])
def test_a_thin_picture_is_cropped_to_a_flat_one(method: ImageMethod) -> None:
    scaled = scale_image(Image(torch.full((1, 1000, 3, 3), 0.2)), 1000, 2, method, "center")
    assert torch.allclose(scaled.pixels, torch.full((1, 2, 1000, 3), 0.2), atol=1e-6)


def test_a_thin_latent_is_cropped_to_a_flat_one() -> None:
    assert resized(torch.ones(1, 4, 1000, 3), 500, 1, "bislerp", "center").shape == (1, 4, 1, 500)
