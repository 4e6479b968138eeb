"""Noise belongs to items."""

import torch

from nodeflow.diffusion.batches import Item, fresh_items
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
