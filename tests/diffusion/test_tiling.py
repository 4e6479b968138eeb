"""Tiles: an operation that needs no neighbours is not changed by them, and seams fade."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from nodeflow.diffusion.tiling import in_three_tilings, tiled


def doubled(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2, mode="nearest") + 1


@pytest.mark.parametrize("size", [(5, 5), (16, 16), (17, 40), (64, 9)])
def test_an_operation_on_single_cells_is_the_same_in_tiles(size: tuple[int, int]) -> None:
    x = torch.randn(2, 3, *size, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(in_three_tilings(doubled, x, 8, 2, 2), doubled(x), rtol=1e-5, atol=1e-5)


def test_halving_in_tiles_gives_whole_cells() -> None:
    x = torch.randn(1, 3, 64, 96, generator=torch.Generator().manual_seed(0))
    found = tiled(lambda part: F.avg_pool2d(part, 8), x, (32, 32), 8, 1 / 8)
    torch.testing.assert_close(found, F.avg_pool2d(x, 8), rtol=1e-5, atol=1e-6)


def test_what_fits_one_tile_is_one() -> None:
    seen: list[tuple[int, ...]] = []

    def watched(x: Tensor) -> Tensor:
        seen.append(tuple(x.shape))
        return x

    tiled(watched, torch.zeros(2, 1, 8, 8), (8, 8), 2, 1)
    assert seen == [(1, 1, 8, 8)] * 2


def test_neighbours_fade_into_each_other_as_the_weights_say() -> None:
    """Each tile gives its number: in the overlap of 2 the first falls 1, 1/2 while the second rises 1/2, 1."""
    numbers = iter([1.0, 3.0])
    found = tiled(lambda x: torch.full_like(x, next(numbers)), torch.zeros(1, 1, 1, 6), (1, 4), 2, 1)
    first, second = [1.0, 1.0, 1.0, 0.5], [0.5, 1.0, 1.0, 0.5]  # the first rises at the edge too: alone there
    wanted = [1, 1, (first[2] + 3 * second[0]) / 1.5, (first[3] + 3 * second[1]) / 1.5, 3, 3]
    assert found.flatten().tolist() == pytest.approx(wanted)
