"""Noise belongs to items."""

import math

import pytest
import torch
import torchsde

from nodeflow.diffusion.batches import Item, fresh_items
from nodeflow.diffusion.errors import ValueRuleError
from nodeflow.diffusion.sampling.noise import ItemNoise


def test_the_first_draw_is_one_draw_for_the_whole_batch() -> None:
    expected = torch.randn(3, 4, 5, 5, generator=torch.Generator().manual_seed(42))
    assert torch.equal(ItemNoise(42, fresh_items(3), (4, 5, 5))(), expected)


def test_an_item_alone_gets_its_row_at_every_draw() -> None:
    whole, alone = ItemNoise(42, fresh_items(3), (4, 5, 5)), ItemNoise(42, [Item(2, 3)], (4, 5, 5))
    for _ in range(3):
        assert torch.equal(alone(), whole()[2:])


def test_items_of_batches_of_different_sizes_can_be_mixed() -> None:
    mixed = ItemNoise(42, [Item(1, 2), Item(1, 3)], (4, 5, 5))()
    for row, size in enumerate((2, 3)):
        assert torch.equal(mixed[row], ItemNoise(42, fresh_items(size), (4, 5, 5))()[1])


def test_torch_s_global_generator_is_left_alone() -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    ItemNoise(42, fresh_items(2), (4, 5, 5))()
    assert torch.equal(torch.rand(3), expected)


ENDS = (0.03, 14.6)


def brownian(items: int = 3, only: list[Item] | None = None) -> ItemNoise:
    return ItemNoise(42, only or fresh_items(items), (4, 5, 5), ends=ENDS)


def test_brownian_noise_is_that_of_torchsde_from_the_higher_to_the_lower_level() -> None:
    tree = torchsde.BrownianTree(torch.tensor(0.03), torch.zeros(3, 4, 5, 5), torch.tensor(14.6), entropy=42)
    for high, low in ((8.0, 2.0), (2.0, 1.5), (14.6, 8.0)):
        expected = -tree(low, high) / math.sqrt(high - low)
        torch.testing.assert_close(brownian().between(high, low), expected, rtol=0, atol=1e-6)


def test_brownian_noise_reaches_ends_that_torchsde_rounds_away() -> None:
    ends = (0.0291671585, 14.6146411896)  # 0.029167 and 14.614641 there
    noise = ItemNoise(42, fresh_items(1), (4, 5, 5), ends=ends)
    assert bool(noise.between(ends[1], ends[0]).isfinite().all())


def test_an_item_alone_gets_its_row_of_the_brownian_path() -> None:
    alone = brownian(only=[Item(2, 3)])
    assert torch.equal(alone.between(8.0, 2.0), brownian().between(8.0, 2.0)[2:])


def test_brownian_noise_does_not_depend_on_the_order_in_which_it_is_asked_for() -> None:
    falling, rising = brownian(), brownian()
    levels = [(14.6, 5.0), (14.6, 7.0), (7.0, 5.0), (5.0, 0.03)]
    first = [falling.between(*pair) for pair in levels]
    second = [rising.between(*pair) for pair in reversed(levels)]
    for one, other in zip(first, reversed(second), strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-6)


def test_brownian_increments_add_up_and_have_unit_variance() -> None:
    noise = ItemNoise(1, fresh_items(1), (4, 50, 50), ends=ENDS)
    whole, high, low = noise.between(8.0, 2.0), noise.between(8.0, 5.0), noise.between(5.0, 2.0)
    torch.testing.assert_close(whole * math.sqrt(6), (high + low) * math.sqrt(3), rtol=0, atol=1e-5)
    for part in (whole, high, low):
        assert float(part.var()) == pytest.approx(1.0, rel=0.05)  # 10,000 numbers tell it to 1.4 %


def test_a_brownian_path_stands_still_beyond_the_ends_of_the_run() -> None:
    noise = brownian()
    assert not noise.between(20.0, 15.0).any()
    torch.testing.assert_close(noise.between(1.0, 0.01) * math.sqrt(0.99), noise.between(1.0, 0.03) * math.sqrt(0.97))
    assert not noise.between(2.0, 2.0).any()


@pytest.mark.parametrize(("high", "low"), [(1.0, 0.9999998), (0.9999999, 0.9999996), (14.6, 14.5999999)])
def test_a_brownian_path_stands_still_between_levels_that_torchsde_rounds_to_one(high: float, low: float) -> None:
    noise = brownian()
    assert bool(noise.between(14.6, 1.0).any())
    assert not noise.between(high, low).any()
    assert bool(noise.between(low, 0.5).any())


def test_the_next_level_that_torchsde_tells_apart_has_noise_of_unit_variance() -> None:
    noise = ItemNoise(1, fresh_items(1), (4, 50, 50), ends=ENDS)
    assert float(noise.between(1.0, 0.999999).var()) == pytest.approx(1.0, rel=0.05)


def test_items_of_batches_of_different_sizes_follow_paths_of_their_own_batch() -> None:
    mixed = brownian(only=[Item(1, 2), Item(1, 3)]).between(8.0, 2.0)
    assert torch.equal(mixed[0], brownian(2).between(8.0, 2.0)[1])
    assert torch.equal(mixed[1], brownian(3).between(8.0, 2.0)[1])


def test_a_brownian_path_needs_the_ends_of_the_run() -> None:
    with pytest.raises(ValueRuleError, match="the levels of the run were not given"):
        ItemNoise(42, fresh_items(1), (4, 5, 5)).between(2.0, 1.0)
