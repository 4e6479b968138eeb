"""Blends against Pillow and against their formulas in double precision."""

from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image as Pillow
from PIL import ImageChops

from nodeflow.diffusion.blending import blended
from nodeflow.diffusion.errors import ValueRuleError
from nodeflow.diffusion.images import from_uint8, to_uint8
from nodeflow.diffusion.types import Image, Item


def picture(rows: int = 1, height: int = 8, width: int = 10, channels: int = 3, seed: int = 0) -> Image:
    return Image(torch.rand(rows, height, width, channels, generator=torch.Generator().manual_seed(seed)))


def bytes_of(seed: int) -> "np.ndarray[tuple[int, ...], np.dtype[np.uint8]]":
    return np.random.default_rng(seed).integers(0, 256, (16, 16, 3), np.uint8)


@pytest.mark.parametrize(
    ("mode", "pillow"),
    [
        ("normal", lambda _, b: b),
        ("multiply", ImageChops.multiply),
        ("screen", ImageChops.screen),
        ("overlay", ImageChops.overlay),
        ("difference", lambda a, b: ImageChops.subtract(a, b)),
    ],
)
def test_a_whole_blend_is_pillows_to_one_byte(mode: Any, pillow: Any) -> None:
    a, b = bytes_of(1), bytes_of(2)
    expected = np.asarray(pillow(Pillow.fromarray(a), Pillow.fromarray(b))).astype(int)
    found = to_uint8(blended(from_uint8([a]), from_uint8([b]), 1.0, mode))[0].astype(int)
    assert np.abs(found - expected).max() <= 1


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_a_part_of_the_normal_blend_is_pillows_mix(share: float) -> None:
    a, b = bytes_of(1), bytes_of(2)
    expected = np.asarray(Pillow.blend(Pillow.fromarray(a), Pillow.fromarray(b), share)).astype(int)
    found = to_uint8(blended(from_uint8([a]), from_uint8([b]), share))[0].astype(int)
    assert np.abs(found - expected).max() <= 1


def test_soft_light_is_that_of_w3c() -> None:
    """Compositing and Blending Level 1, 10.1.9, with `image1` as backdrop."""
    a, b = picture(seed=1), picture(seed=2)
    backdrop, source = (each.pixels.numpy().astype(np.float64) for each in (a, b))
    lifted = np.where(backdrop <= 0.25, ((16 * backdrop - 12) * backdrop + 4) * backdrop, np.sqrt(backdrop))
    dark = backdrop - (1 - 2 * source) * backdrop * (1 - backdrop)
    light = backdrop + (2 * source - 1) * (lifted - backdrop)
    found = blended(a, b, 1.0, "soft_light").pixels.numpy()
    assert np.allclose(found, np.where(source <= 0.5, dark, light), atol=1e-6)


def test_a_difference_is_mixed_before_it_is_cut_at_black() -> None:
    light, lighter = Image(torch.full((1, 1, 1, 3), 0.4)), Image(torch.full((1, 1, 1, 3), 0.6))
    assert blended(light, lighter, 0.5, "difference").pixels[0, 0, 0, 0].item() == pytest.approx(0.1)
    assert blended(light, lighter, 1.0, "difference").pixels.max().item() == 0.0


def test_the_other_picture_is_scaled_and_cut_to_the_first() -> None:
    ramp = torch.linspace(0, 1, 40).expand(1, 8, 40).clone()
    wide = Image(ramp[..., None].expand(1, 8, 40, 3).contiguous())
    found = blended(Image(torch.zeros(1, 4, 4, 3)), wide, 1.0)
    assert found.pixels.shape == (1, 4, 4, 3)
    middle = ramp[0, 0, 16:24].view(4, 2).mean(1)  # the middle 8 columns, halved
    assert torch.allclose(found.pixels[0, 0, 1:3, 0], middle[1:3], atol=1e-3)


@pytest.mark.parametrize(("rows", "others"), [(1, 3), (3, 1), (3, 3)])
def test_a_batch_of_one_goes_with_all_of_the_other(rows: int, others: int) -> None:
    a, b = picture(rows, seed=1), picture(others, seed=2)
    found = blended(a, b, 1.0, "multiply")
    assert torch.equal(found.pixels, a.pixels * b.pixels)


def test_the_items_are_those_of_the_larger_batch() -> None:
    several = Image(picture(2).pixels, (Item(1, 4), Item(3, 4)))
    assert blended(picture(), several).items == several.items
    assert blended(several, picture(2)).items == several.items


def test_the_result_has_the_channels_of_the_first() -> None:
    assert blended(picture(channels=3), picture(channels=4)).pixels.shape[3] == 3
    found = blended(picture(channels=4), picture(channels=3), 1.0)
    assert found.pixels[..., 3].unique().tolist() == [1.0]


def test_batches_that_do_not_go_together_and_unknown_blends_are_refused() -> None:
    with pytest.raises(ValueRuleError, match="batches of 2 and 3 do not go together"):
        blended(picture(2), picture(3))
    odd: Any = "burn"
    with pytest.raises(ValueRuleError, match="'burn' is unknown; there are normal"):
        blended(picture(), picture(), 0.5, odd)
