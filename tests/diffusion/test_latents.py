"""Empty latents, and latents of other sizes."""

from collections.abc import Callable
from typing import Literal

import numpy as np
import pytest
import torch

from nodeflow.diffusion.errors import ValueRuleError
from nodeflow.diffusion.latent_formats import SD1
from nodeflow.diffusion.latents import (
    LatentMethod,
    crop_latent,
    empty_latent,
    flip_latent,
    from_batch,
    new_noise,
    repeat_latent,
    resize_latent,
    rotate_latent,
    same_noise,
    upscale_latent,
)
from nodeflow.diffusion.types import Item, Latent, Mask


def test_an_empty_latent_fits_any_model_of_its_channels() -> None:
    latent = empty_latent(64, 32, 3)
    assert latent.samples.shape == (3, 4, 4, 8)
    assert float(latent.samples.abs().sum()) == 0
    assert latent.format is None
    assert latent.items[2] == Item(2, 3)
    assert empty_latent(8, 8, channels=16).samples.shape == (1, 16, 1, 1)


@pytest.mark.parametrize(
    ("size", "message"),
    [
        ((65, 64, 1), "width 65 is no multiple of 8; try 64"),
        ((64, 500, 1), "height 500 is no multiple of 8; try 504"),
        ((0, 64, 1), "width 0 is no multiple of 8; try 8"),
        ((64, 64, 0), "0 rows"),
    ],
)
def test_impossible_sizes_are_refused(size: tuple[int, int, int], message: str) -> None:
    with pytest.raises(ValueRuleError, match=message):
        empty_latent(*size)


@pytest.mark.parametrize("method", ["nearest-exact", "bilinear", "area", "bicubic", "bislerp"])
def test_a_latent_is_scaled_and_stays_what_it_is(method: LatentMethod) -> None:
    latent = Latent(torch.full((2, 4, 4, 6), 3.0), SD1, (Item(4, 9), Item(7, 9)))
    larger = upscale_latent(latent, 1.5, method)
    assert larger.samples.shape == (2, 4, 6, 9)
    assert torch.allclose(larger.samples, torch.tensor(3.0))
    assert (larger.format, larger.items) == (SD1, latent.items)
    assert resize_latent(latent, 87, 40, method).samples.shape == (2, 4, 5, 10)


@pytest.mark.parametrize("factor", [0.0, -1.0, float("nan"), float("inf"), 0.01])
def test_impossible_factors_are_refused(factor: float) -> None:
    with pytest.raises(ValueRuleError):
        upscale_latent(empty_latent(64, 64), factor)


def test_an_unknown_method_is_refused() -> None:
    with pytest.raises(ValueRuleError, match="'lanczos' is unknown; there are nearest-exact, bilinear"):
        upscale_latent(empty_latent(64, 64), 2, "lanczos")  # type: ignore[arg-type]


def numbered(rows: int, high: int, wide: int) -> Latent:
    cells = torch.arange(float(high * wide)).reshape(1, 1, high, wide).expand(rows, 4, -1, -1)
    return Latent(cells + 1000 * torch.arange(rows)[:, None, None, None], SD1)


@pytest.mark.parametrize(
    ("width", "height", "cells"),
    [(0, 0, (6, 12)), (64, 0, (8, 8)), (0, 96, (12, 24)), (256, 0, (16, 32)), (0, 32, (8, 16))],
)
def test_a_side_of_zero_follows_the_other_and_is_at_least_64_pixels(
    width: int, height: int, cells: tuple[int, int]
) -> None:
    assert resize_latent(numbered(1, 6, 12), width, height).samples.shape[-2:] == cells


def test_cropping_keeps_proportions() -> None:
    latent = numbered(1, 4, 8)
    assert torch.equal(resize_latent(latent, 32, 32, crop="center").samples, latent.samples[..., 2:6])
    assert torch.equal(resize_latent(latent, 64, 16, crop="center").samples, latent.samples[..., 1:3, :])


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_turning_is_clockwise_and_takes_the_mask_along(turns: Literal[1, 2, 3]) -> None:
    cells = numbered(2, 3, 5)
    latent = Latent(cells.samples, SD1, noise_mask=Mask(torch.rand(1, 24, 40)))
    turned = rotate_latent(latent, turns)
    assert turned.noise_mask is not None
    assert latent.noise_mask is not None
    for row in range(2):
        wanted = np.rot90(latent.samples[row, 0].numpy(), -turns)  # numpy counts against the clock
        assert np.array_equal(turned.samples[row, 0].numpy(), wanted)
    mask = np.rot90(latent.noise_mask.values[0].numpy(), -turns)
    assert np.array_equal(turned.noise_mask.values[0].numpy(), mask)


def test_flipping_takes_the_mask_along() -> None:
    latent = Latent(numbered(1, 3, 5).samples, SD1, noise_mask=Mask(torch.rand(1, 24, 40)))
    for upside_down, axis in ((True, 0), (False, 1)):
        flipped = flip_latent(latent, upside_down=upside_down)
        assert np.array_equal(flipped.samples[0, 0].numpy(), np.flip(latent.samples[0, 0].numpy(), axis))
        assert flipped.noise_mask is not None
        assert latent.noise_mask is not None
        assert np.array_equal(flipped.noise_mask.values[0].numpy(), np.flip(latent.noise_mask.values[0].numpy(), axis))


def test_a_crop_is_a_rectangle_that_stays_inside() -> None:
    latent = numbered(1, 16, 24)
    assert torch.equal(crop_latent(latent, 17, 40, 64, 72).samples, latent.samples[..., 5:14, 2:10])
    assert torch.equal(crop_latent(latent, 9999, 9999, 512, 512).samples, latent.samples[..., 8:, 16:])
    with pytest.raises(ValueRuleError, match="too small to crop"):
        crop_latent(numbered(1, 4, 24), 0, 0, 64, 64)


def test_a_crop_takes_its_part_of_the_mask() -> None:
    mask = torch.zeros(1, 128, 192)
    mask[:, :, 96:] = 1
    cropped = crop_latent(Latent(numbered(1, 16, 24).samples, noise_mask=Mask(mask)), 64, 0, 64, 64)
    assert cropped.noise_mask is not None
    assert cropped.noise_mask.values[0, 0].tolist() == [0, 0, 0, 0, 1, 1, 1, 1]


def test_rows_of_a_batch_keep_their_noise() -> None:
    batch = numbered(4, 2, 2)
    assert from_batch(batch, 1, 2).items == (Item(1, 4), Item(2, 4))
    assert from_batch(batch, 3, 9).items == from_batch(batch, 63, 1).items == (Item(3, 4),)
    assert torch.equal(from_batch(batch, 1, 2).samples, batch.samples[1:3])


def test_copies_get_noise_of_their_own_and_the_first_that_of_the_original() -> None:
    repeated = repeat_latent(numbered(2, 2, 2), 3)
    assert torch.equal(repeated.samples, numbered(2, 2, 2).samples.repeat(3, 1, 1, 1))
    assert repeated.items == tuple(Item(index, 6) for index in range(6))
    one = Latent(torch.zeros(1, 4, 2, 2), items=(Item(2, 5),))
    assert [item.index for item in repeat_latent(one, 3).items] == [2, 3, 4]
    masked = Latent(torch.zeros(2, 4, 2, 2), noise_mask=Mask(torch.rand(2, 8, 8)))
    assert repeat_latent(masked, 2).noise_mask is not None
    assert len(repeat_latent(masked, 2).noise_mask or ()) == 4
    with pytest.raises(ValueRuleError, match="0 copies"):
        repeat_latent(masked, 0)


def test_noise_of_a_batch_is_chosen() -> None:
    batch = numbered(3, 2, 2).select([2, 1])
    assert same_noise(batch).items == (Item(2, 3), Item(2, 3))
    assert new_noise(batch).items == (Item(0, 2), Item(1, 2))


@pytest.mark.parametrize(
    "made",
    [
        lambda: empty_latent(16384, 16384, 4096),
        lambda: upscale_latent(empty_latent(64, 64), 1e5, "bislerp"),
        lambda: repeat_latent(empty_latent(64, 64), 10**9),
    ],
)
def test_latents_that_no_memory_holds_are_refused_at_once(made: Callable[[], Latent]) -> None:
    with pytest.raises(ValueRuleError, match=r"cells take .* GiB of memory, and .* are free; make them smaller"):
        made()
