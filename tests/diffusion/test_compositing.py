"""Pictures laid onto others, against Pillow, pixel by pixel loops and the paper's table."""

from collections.abc import Callable
from typing import Any, get_args

import numpy as np
import pytest
import torch
from PIL import Image as Pillow

from nodeflow.diffusion.compositing import composited, joined_alpha, porter_duff
from nodeflow.diffusion.compositing_modes import PorterDuff
from nodeflow.diffusion.errors import ValueRuleError
from nodeflow.diffusion.images import from_uint8, resampled, to_uint8
from nodeflow.diffusion.laying import pasted
from nodeflow.diffusion.types import Image, Item, Mask


def picture(rows: int = 1, height: int = 8, width: int = 10, channels: int = 3, seed: int = 0) -> Image:
    return Image(torch.rand(rows, height, width, channels, generator=torch.Generator().manual_seed(seed)))


def mask(rows: int = 1, height: int = 8, width: int = 10, seed: int = 9) -> Mask:
    return Mask(torch.rand(rows, height, width, generator=torch.Generator().manual_seed(seed)))


@pytest.mark.parametrize(("x", "y"), [(0, 0), (3, 2), (8, 7), (10, 0), (0, 8), (500, 500)])
def test_a_picture_is_laid_at_its_place_as_pillow_pastes_it(x: int, y: int) -> None:
    rng = np.random.default_rng(0)
    below, above = rng.integers(0, 256, (8, 10, 3), np.uint8), rng.integers(0, 256, (5, 6, 3), np.uint8)
    coverage = rng.integers(0, 2, (5, 6), np.uint8) * 255
    found = composited(
        from_uint8([below]), from_uint8([above]), x, y, Mask(torch.from_numpy(coverage / np.float32(255))[None])
    )
    expected = Pillow.fromarray(below)
    expected.paste(Pillow.fromarray(above), (x, y), Pillow.fromarray(coverage))
    assert np.array_equal(to_uint8(found)[0], np.asarray(expected))


def test_a_soft_mask_mixes() -> None:
    below, above, soft = picture(seed=1), picture(seed=2), mask()
    found = composited(below, above, mask=soft)
    share = soft.values[..., None]
    assert torch.allclose(found.pixels, share * above.pixels + (1 - share) * below.pixels)
    assert torch.equal(below.pixels, picture(seed=1).pixels)


def test_without_a_mask_all_of_the_source_is_seen() -> None:
    found = composited(picture(), picture(seed=3), 4, 5)
    assert torch.equal(found.pixels[:, 5:, 4:], picture(seed=3).pixels[:, :3, :6])


def test_the_mask_is_stretched_to_the_source() -> None:
    small = Mask(torch.tensor([[[0.0, 1.0]]]))
    found = composited(Image(torch.zeros(1, 4, 8, 3)), Image(torch.ones(1, 4, 8, 3)), mask=small)
    places = np.interp((np.arange(8) + 0.5) / 4 - 0.5, [0, 1], [0, 1])
    assert np.allclose(found.pixels[0, 0, :, 0].numpy(), places)


def test_the_source_is_stretched_to_the_destination() -> None:
    source = picture(1, 3, 4)
    found = composited(picture(2), source, resize=True)
    expected = resampled(source.pixels, 10, 8, "bilinear").expand(2, -1, -1, -1)
    assert torch.allclose(found.pixels, expected)


@pytest.mark.parametrize(("rows", "sources"), [(5, 2), (2, 5), (3, 1)])
def test_there_are_as_many_results_as_destinations(rows: int, sources: int) -> None:
    below = Image(picture(rows).pixels, tuple(Item(row, 9) for row in range(rows)))
    above, half = picture(sources, seed=3), mask(2)
    found = composited(below, above, mask=half)
    assert found.items == below.items
    for row in range(rows):
        share = half.values[row % 2, ..., None]
        expected = share * above.pixels[row % sources] + (1 - share) * below.pixels[row]
        assert torch.allclose(found.pixels[row], expected)


@pytest.mark.parametrize(("below", "above"), [(3, 4), (4, 3), (4, 4)])
def test_the_result_has_the_channels_of_the_destination(below: int, above: int) -> None:
    source = picture(channels=above, seed=1)
    found = composited(picture(channels=below), source)
    assert found.pixels.shape[3] == below
    assert torch.equal(found.pixels[..., :3], source.pixels[..., :3])
    if below > above:
        assert found.pixels[..., 3].unique().tolist() == [1.0]


def test_planes_of_any_channels_are_pasted() -> None:
    latents = torch.zeros(2, 4, 8, 8)
    found = pasted(latents, torch.full((1, 4, 2, 2), -3.0), 7, 6)
    assert found.sum().item() == -3.0 * 2 * 4 * 2
    assert not latents.any()


def test_pictures_become_transparent_where_the_mask_is_one() -> None:
    image, half = picture(2, channels=4), mask(2)
    found = joined_alpha(image, half)
    assert torch.equal(found.pixels[..., :3], image.pixels[..., :3])
    assert torch.equal(found.pixels[..., 3], 1 - half.values)
    assert found.items == image.items


@pytest.mark.parametrize(("rows", "masks"), [(1, 3), (3, 1), (3, 2)])
def test_of_the_smaller_batch_rows_are_taken_again(rows: int, masks: int) -> None:
    image, small = picture(rows), mask(masks, 4, 5)
    found = joined_alpha(image, small)
    assert len(found) == 3
    for row in range(3):
        assert torch.equal(found.pixels[row, ..., :3], image.pixels[row % rows])
        alpha = torch.nn.functional.interpolate(1 - small.values[:, None], size=(8, 10), mode="bilinear")[
            row % masks, 0
        ]
        assert torch.allclose(found.pixels[row, ..., 3], alpha, atol=1e-6)


Point = Callable[[float, float, float, float], tuple[float, float]]
# Each rule for one value, premultiplied: source and its alpha, destination and its alpha, to the result and its alpha.
TABLE: dict[str, Point] = {
    "ADD": lambda s, a, d, b: (min(1, s + d), min(1, a + b)),
    "CLEAR": lambda s, a, d, b: (0, 0),
    "DARKEN": lambda s, a, d, b: (s * (1 - b) + d * (1 - a) + min(s, d), a + b - a * b),
    "DST": lambda s, a, d, b: (d, b),
    "DST_ATOP": lambda s, a, d, b: (d * a + s * (1 - b), a),
    "DST_IN": lambda s, a, d, b: (d * a, a * b),
    "DST_OUT": lambda s, a, d, b: (d * (1 - a), b * (1 - a)),
    "DST_OVER": lambda s, a, d, b: (d + s * (1 - b), b + a * (1 - b)),
    "LIGHTEN": lambda s, a, d, b: (s * (1 - b) + d * (1 - a) + max(s, d), a + b - a * b),
    "MULTIPLY": lambda s, a, d, b: (s * d, a * b),
    "OVERLAY": lambda s, a, d, b: (2 * s * d if 2 * d < b else a * b - 2 * (b - s) * (a - d), a + b - a * b),
    "SCREEN": lambda s, a, d, b: (s + d - s * d, a + b - a * b),
    "SRC": lambda s, a, d, b: (s, a),
    "SRC_ATOP": lambda s, a, d, b: (s * b + d * (1 - a), b),
    "SRC_IN": lambda s, a, d, b: (s * b, a * b),
    "SRC_OUT": lambda s, a, d, b: (s * (1 - b), a * (1 - b)),
    "SRC_OVER": lambda s, a, d, b: (s + d * (1 - a), a + b * (1 - a)),
    "XOR": lambda s, a, d, b: (s * (1 - b) + d * (1 - a), a + b - 2 * a * b),
}


@pytest.mark.parametrize("mode", get_args(PorterDuff))
def test_every_mode_is_its_rule_at_every_pixel(mode: Any) -> None:
    hard = mask().values.clone()
    hard[:, :4] = hard[:, :4].round()  # wholly transparent and wholly opaque pixels too
    source, destination, over, under = picture(seed=1), picture(seed=2), Mask(hard), mask(seed=4)
    image, transparent = porter_duff(source, over, destination, under, mode)
    for y in range(8):
        for x in range(10):
            a, b = 1 - over.values[0, y, x].item(), 1 - under.values[0, y, x].item()
            for colour in range(3):
                s, d = source.pixels[0, y, x, colour].item() * a, destination.pixels[0, y, x, colour].item() * b
                value, alpha = TABLE[mode](s, a, d, b)
                straight = min(1.0, max(0.0, value / alpha)) if alpha > 1e-5 else 0.0
                assert image.pixels[0, y, x, colour].item() == pytest.approx(straight, abs=2e-5)
                assert transparent.values[0, y, x].item() == pytest.approx(1 - alpha, abs=1e-6)


def test_source_over_destination_is_pillows_alpha_composite() -> None:
    rng = np.random.default_rng(1)
    above, below = (rng.integers(0, 256, (8, 10, 4), np.uint8) for _ in range(2))
    layers = [from_uint8([np.ascontiguousarray(each[..., :3])]) for each in (above, below)]
    clear = [Mask(1 - torch.from_numpy(each[..., 3] / np.float32(255))[None]) for each in (above, below)]
    image, transparent = porter_duff(layers[0], clear[0], layers[1], clear[1], "SRC_OVER")
    expected = np.asarray(Pillow.alpha_composite(Pillow.fromarray(below), Pillow.fromarray(above))).astype(np.float32)
    assert np.abs(image.pixels[0].numpy() * 255 - expected[..., :3]).max() < 1.5
    assert np.abs((1 - transparent.values[0].numpy()) * 255 - expected[..., 3]).max() < 1.5


def test_everything_is_scaled_to_the_destination_and_cut_to_its_proportions() -> None:
    source, over, under = picture(1, 6, 20), mask(1, 16, 5), mask(1, 4, 5)
    image, transparent = porter_duff(source, over, picture(), under, "SRC")
    assert image.pixels.shape == (1, 8, 10, 3)
    scaled = resampled(over.values[..., None], 10, 8, "bicubic", "center")[..., 0].clamp(0, 1)
    assert torch.allclose(transparent.values, scaled, atol=1e-6)


def test_there_are_as_many_results_as_the_smallest_batch_has() -> None:
    destination = Image(picture(3).pixels, (Item(4, 7), Item(5, 7), Item(6, 7)))
    image, transparent = porter_duff(picture(2), mask(4), destination, mask(3), "XOR")
    assert (len(image), len(transparent)) == (2, 2)
    assert image.items == (Item(4, 7), Item(5, 7))


def test_alpha_channels_of_the_pictures_are_left_out() -> None:
    image, _ = porter_duff(picture(channels=4), mask(), picture(channels=3), mask(), "SRC_OVER")
    assert image.pixels.shape[3] == 3


def test_an_unknown_mode_is_refused() -> None:
    odd: Any = "PLUS"
    with pytest.raises(ValueRuleError, match="'PLUS' is unknown; there are ADD, CLEAR"):
        porter_duff(picture(), mask(), picture(), mask(), odd)
