"""Latents put together, against numpy and closed forms."""

import numpy as np
import pytest
import torch
from torch import Tensor

from nodeflow.diffusion import latent_arithmetic as arithmetic
from nodeflow.diffusion.errors import ValueRuleError
from nodeflow.diffusion.latent_formats import SD1, LatentFormat
from nodeflow.diffusion.types import Item, Latent, Mask


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_sums_and_products_are_those_of_the_values() -> None:
    a, b = noise(2, 4, 3, 5), noise(2, 4, 3, 5, seed=1)
    first, second = Latent(a, SD1), Latent(b)
    assert torch.equal(arithmetic.add(first, second).samples, a + b)
    assert torch.equal(arithmetic.subtract(first, second).samples, a - b)
    assert torch.equal(arithmetic.multiply(first, -2.5).samples, a * -2.5)
    assert torch.allclose(arithmetic.blend(first, second, 0.25).samples, 0.25 * a + 0.75 * b)
    assert arithmetic.add(second, first).format == SD1


def test_interpolation_keeps_lengths_where_directions_turn() -> None:
    a, b = torch.zeros(1, 2, 1, 1), torch.zeros(1, 2, 1, 1)
    a[0, 0], b[0, 1] = 2.0, 4.0
    mixed = arithmetic.interpolate(Latent(a), Latent(b), 0.5).samples.flatten()
    assert mixed.tolist() == pytest.approx([3 / np.sqrt(2), 3 / np.sqrt(2)])  # half-way in direction, length 3
    assert arithmetic.interpolate(Latent(a), Latent(a * 0), 1.0).samples.flatten().tolist() == [2.0, 0.0]


def test_the_second_is_scaled_to_the_first_and_repeated() -> None:
    small = Latent(torch.full((1, 4, 2, 2), 3.0))
    total = arithmetic.add(Latent(torch.ones(3, 4, 4, 8)), small)
    assert total.samples.shape == (3, 4, 4, 8)
    assert torch.equal(total.samples, torch.full((3, 4, 4, 8), 4.0))


def test_different_spaces_are_refused() -> None:
    other = LatentFormat("other", 4, 1.0)
    with pytest.raises(ValueRuleError, match="different spaces"):
        arithmetic.add(Latent(noise(1, 4, 2, 2), SD1), Latent(noise(1, 4, 2, 2), other))
    with pytest.raises(ValueRuleError, match="4 and 16 channels"):
        arithmetic.add(Latent(noise(1, 4, 2, 2)), Latent(noise(1, 16, 2, 2)))


@pytest.mark.parametrize(
    ("direction", "order", "axis"), [("x", "ab", 3), ("-x", "ba", 3), ("y", "ab", 2), ("-y", "ba", 2)]
)
def test_latents_are_joined_on_any_side(direction: str, order: str, axis: int) -> None:
    parts = {"a": noise(1, 4, 3, 3), "b": noise(1, 4, 3, 3, seed=1)}
    joined = arithmetic.side_by_side(Latent(parts["a"]), Latent(parts["b"]), direction)  # type: ignore[arg-type]
    assert np.array_equal(joined.samples.numpy(), np.concatenate([parts[each].numpy() for each in order], axis))


def test_latents_of_other_heights_are_not_joined_side_by_side() -> None:
    with pytest.raises(ValueRuleError, match=r"one height, found 16 x 16 and 16 x 24"):
        arithmetic.side_by_side(Latent(noise(1, 4, 2, 2)), Latent(noise(1, 4, 3, 2)), "x")


@pytest.mark.parametrize(("index", "amount", "columns"), [(1, 2, [1, 2]), (-1, 5, [4]), (9, 1, [4]), (-9, 2, [0, 1])])
def test_a_strip_is_cut_out(index: int, amount: int, columns: list[int]) -> None:
    samples = noise(1, 4, 3, 5)
    assert torch.equal(arithmetic.cut(Latent(samples), "x", index, amount).samples, samples[..., columns])


def test_batches_are_joined_and_scaled() -> None:
    joined = arithmetic.batched(Latent(noise(2, 4, 4, 4), SD1), Latent(torch.ones(1, 4, 2, 2)))
    assert joined.samples.shape == (3, 4, 4, 4)
    assert torch.equal(joined.samples[2], torch.ones(4, 4, 4))


def test_one_lies_over_another_cell_by_cell() -> None:
    below, above = torch.zeros(1, 4, 4, 6), torch.ones(1, 4, 3, 3)
    found = arithmetic.composite(Latent(below, SD1), Latent(above), x=33, y=16).samples
    wanted = np.zeros((4, 6))
    wanted[2:4, 4:6] = 1
    assert np.array_equal(found[0, 0].numpy(), wanted)
    assert not below.any()


def test_a_soft_edge_is_only_on_the_sides_that_are_no_edge() -> None:
    below, above = torch.zeros(1, 4, 4, 8), torch.ones(1, 4, 4, 4)
    found = arithmetic.composite(Latent(below), Latent(above), x=16, y=0, feather=16).samples[0, 0]
    assert found.tolist() == [[0, 0, 0.5, 1, 1, 0.5, 0, 0]] * 4


@pytest.mark.parametrize("at", [(64, 0), (0, 64)])
def test_nothing_is_laid_outside(at: tuple[int, int]) -> None:
    with pytest.raises(ValueRuleError, match=r"outside of one of 64 x 64"):
        arithmetic.composite(Latent(noise(1, 4, 8, 8)), Latent(noise(1, 4, 2, 2)), *at)


def test_a_mask_says_where_one_lies_over_another() -> None:
    below, above = Latent(torch.zeros(2, 4, 4, 4)), Latent(torch.ones(1, 4, 4, 4))
    mask = Mask(torch.tensor([[[1.0, 0.0], [0.0, 0.5]]]).repeat_interleave(16, 1).repeat_interleave(16, 2))
    found = arithmetic.composite_masked(below, above, 0, 0, mask, resize=False).samples
    assert torch.equal(
        found[1, 2], torch.tensor([[1.0, 0.0], [0.0, 0.5]]).repeat_interleave(2, 0).repeat_interleave(2, 1)
    )


def test_what_begins_outside_is_cut_off_with_its_mask() -> None:
    values = torch.arange(16.0).reshape(1, 1, 4, 4).expand(1, 4, 4, 4)
    found = arithmetic.composite_masked(Latent(torch.zeros(1, 4, 4, 4)), Latent(values), -16, -8, None, resize=False)
    wanted = np.zeros((4, 4))
    wanted[:3, :2] = np.arange(16).reshape(4, 4)[1:, 2:]
    assert np.array_equal(found.samples[0, 0].numpy(), wanted)
    with pytest.raises(ValueRuleError, match="outside"):
        arithmetic.composite_masked(Latent(torch.zeros(1, 4, 4, 4)), Latent(values), -32, 0, None, resize=False)


def test_a_source_may_be_scaled_first() -> None:
    found = arithmetic.composite_masked(
        Latent(noise(1, 4, 4, 4)), Latent(torch.ones(1, 4, 2, 2)), 0, 0, None, resize=True
    )
    assert torch.equal(found.samples, torch.ones(1, 4, 4, 4))


def test_rebatching_keeps_items_and_parts_sizes() -> None:
    three, two = Latent(noise(3, 4, 2, 2), SD1), Latent(noise(2, 4, 2, 2, seed=1))
    wide = Latent(noise(1, 4, 2, 3))
    batches = arithmetic.rebatched([three, two, wide], 2)
    assert [len(batch) for batch in batches] == [2, 2, 1, 1]
    assert batches[1].items == (Item(2, 3), Item(0, 2))
    assert torch.equal(batches[1].samples, torch.stack([three.samples[2], two.samples[0]]))
    with pytest.raises(ValueRuleError, match="no latent"):
        arithmetic.rebatched([], 2)
