"""Masks against numpy, scipy and closed forms."""

from typing import Any

import numpy as np
import pytest
import torch
from scipy import ndimage

from nodeflow.diffusion import masks
from nodeflow.diffusion.errors import ValueRuleError
from nodeflow.diffusion.types import Image, Mask


def some(rows: int = 2, height: int = 12, width: int = 15, seed: int = 0) -> Mask:
    return Mask(torch.rand(rows, height, width, generator=torch.Generator().manual_seed(seed)))


def test_a_solid_mask_is_one_value() -> None:
    mask = masks.solid(0.25, 7, 5)
    assert mask.values.shape == (1, 5, 7)
    assert mask.values.unique().tolist() == [0.25]


@pytest.mark.parametrize(("channel", "index"), [("red", 0), ("green", 1), ("blue", 2), ("alpha", 3)])
def test_a_channel_becomes_a_mask(channel: Any, index: int) -> None:
    image = Image(torch.rand(2, 3, 4, 4))
    assert torch.equal(masks.from_channel(image, channel).values, image.pixels[..., index])


def test_a_channel_that_is_not_there_is_refused() -> None:
    image = Image(torch.rand(2, 3, 4, 3))
    with pytest.raises(ValueRuleError, match="no alpha channel; choose red, green or blue"):
        masks.from_channel(image, "alpha")
    odd: Any = "infrared"
    with pytest.raises(ValueRuleError, match="there are red, green, blue, alpha"):
        masks.from_channel(image, odd)


def test_the_pixels_of_a_colour_are_marked_after_rounding_to_bytes() -> None:
    near = torch.tensor([[18.0, 52.0, 86.0], [18.4, 51.6, 86.49], [18.6, 52.0, 86.0], [18.0, 52.0, 87.0]]) / 255
    image = Image(torch.cat([near, torch.rand(4, 1)], dim=1)[None, None])
    assert masks.from_colour(image, 0x123456).values.tolist() == [[[1.0, 1.0, 0.0, 0.0]]]


def test_what_is_chosen_is_swapped() -> None:
    mask = some()
    assert torch.equal(masks.inverted(mask).values, 1 - mask.values)


def test_what_is_above_a_value_is_marked_and_what_equals_it_is_not() -> None:
    mask = Mask(torch.tensor([[[0.0, 0.5, 0.50001, 1.0]]]))
    assert masks.above(mask, 0.5).values.tolist() == [[[0.0, 0.0, 1.0, 1.0]]]
    assert masks.above(mask, 0.0).values.tolist() == [[[0.0, 1.0, 1.0, 1.0]]]


def test_a_mask_is_stretched_bilinearly() -> None:
    ramp = Mask(torch.linspace(0, 1, 5).expand(1, 3, 5).contiguous())
    wide = masks.stretched(ramp, 10, 6)
    expected = np.interp((np.arange(10) + 0.5) / 2 - 0.5, np.arange(5), np.linspace(0, 1, 5))
    assert np.allclose(wide.values[0, 4].numpy(), expected, atol=1e-6)
    assert masks.stretched(ramp, 5, 3) is ramp


OPERATIONS: list[tuple[Any, Any]] = [
    ("multiply", lambda a, b: a * b),
    ("add", lambda a, b: np.minimum(a + b, 1)),
    ("subtract", lambda a, b: np.maximum(a - b, 0)),
    ("and", lambda a, b: np.round(a) * np.round(b)),
    ("or", lambda a, b: np.maximum(np.round(a), np.round(b))),
    ("xor", lambda a, b: np.abs(np.round(a) - np.round(b))),
]


@pytest.mark.parametrize(("operation", "expected"), OPERATIONS, ids=[name for name, _ in OPERATIONS])
@pytest.mark.parametrize(("rows", "others"), [(2, 2), (1, 3), (3, 1)])
def test_masks_are_combined_where_they_overlap(operation: Any, expected: Any, rows: int, others: int) -> None:
    below, above = some(rows, seed=1), some(others, seed=2)
    before = below.values.clone()
    found = masks.combined(below, above, 4, 9, operation).values.numpy()
    count = max(rows, others)
    under, over = (np.broadcast_to(each.values.numpy(), (count, 12, 15)) for each in (below, above))
    assert np.array_equal(found[:, :9], under[:, :9])
    assert np.array_equal(found[:, :, :4], under[:, :, :4])
    assert np.allclose(found[:, 9:, 4:], expected(under[:, 9:, 4:], over[:, :3, :11]))
    assert torch.equal(below.values, before)


def test_a_half_counts_as_not_chosen() -> None:
    half, one = Mask(torch.full((1, 1, 1), 0.5)), Mask(torch.ones(1, 1, 1))
    assert masks.combined(half, one, 0, 0, "and").values.item() == 0


def test_a_mask_that_lies_outside_changes_nothing() -> None:
    below = some()
    assert torch.equal(masks.combined(below, some(1), 15, 0, "multiply").values, below.values)


def test_batches_that_do_not_go_together_and_unknown_operations_are_refused() -> None:
    with pytest.raises(ValueRuleError, match="batches of 2 and 3 do not go together; each must have as many, or 1"):
        masks.combined(some(2), some(3), 0, 0, "add")
    odd: Any = "nand"
    with pytest.raises(ValueRuleError, match="'nand' is unknown; there are multiply, add"):
        masks.combined(some(), some(), 0, 0, odd)


def test_left_and_top_fade_in_equal_steps() -> None:
    found = masks.feathered(Mask(torch.ones(2, 6, 8)), 4, 3, 0, 0).values[1]
    columns = torch.tensor([0.25, 0.5, 0.75, 1, 1, 1, 1, 1])
    rows = torch.tensor([1 / 3, 2 / 3, 1, 1, 1, 1])
    assert torch.allclose(found, rows[:, None] * columns)


def test_right_and_bottom_begin_one_pixel_further_out_as_in_comfyui() -> None:
    found = masks.feathered(Mask(torch.ones(1, 6, 8)), 0, 0, 4, 3).values[0]
    columns = torch.tensor([0.25, 1, 1, 1, 1, 1, 0.75, 0.5])
    rows = torch.tensor([1 / 3, 1, 1, 1, 1, 2 / 3])
    assert torch.allclose(found, rows[:, None] * columns)


def test_feathers_of_all_sides_are_multiplied() -> None:
    mask = some(1, 9, 9)
    alone = [masks.feathered(Mask(torch.ones(1, 9, 9)), *sides).values for sides in np.eye(4, dtype=int) * 5]
    expected = mask.values * alone[0] * alone[1] * alone[2] * alone[3]
    assert torch.allclose(masks.feathered(mask, 5, 5, 5, 5).values, expected)


def test_a_feather_longer_than_the_mask_is_as_long_as_it() -> None:
    long, full = (masks.feathered(Mask(torch.ones(1, 6, 8)), n, n, n, n).values for n in (99, 8))
    assert torch.equal(long, full)


@pytest.mark.parametrize("tapered", [True, False])
@pytest.mark.parametrize("steps", [-30, -3, -1, 0, 1, 4, 30])
def test_masks_grow_and_shrink_as_scipy_does_step_by_step(steps: int, tapered: bool) -> None:
    mask = some()
    cross = ndimage.generate_binary_structure(2, 1 if tapered else 2)
    change = ndimage.grey_dilation if steps > 0 else ndimage.grey_erosion
    for row in range(2):
        expected = mask.values[row].numpy()
        for _ in range(abs(steps)):
            expected = change(expected, footprint=cross)
        assert np.array_equal(masks.grown(mask, steps, tapered=tapered).values[row].numpy(), expected)


def test_growing_further_than_the_mask_is_large_takes_no_longer() -> None:
    mask = some()
    for tapered in (True, False):
        assert torch.equal(
            masks.grown(mask, 16384, tapered=tapered).values, mask.values.amax((1, 2), True).expand(2, 12, 15)
        )
