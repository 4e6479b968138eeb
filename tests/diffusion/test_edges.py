"""Edges where they are known, and where kornia finds them."""

import numpy as np
import pytest
import torch

from nodeflow.diffusion.edges import canny
from nodeflow.diffusion.errors import ValueRuleError
from nodeflow.diffusion.types import Image, Item

KORNIA = """
.....................................#..
..........##.........................#..
.......######........####.........####..
.....###..........###...#.......##......
....##..........###............#........
####...........##...........###.........
.............###..........###...........
...........##............##.............
.......####............###.............#
....###..............###...........####.
..###..............##.............##....
###.............###..............##.....
.............###................##......
..........####................###.......
........###................####.........
....####................###.............
####................####................
..................###...................
...............####.....................
...........####.........................
.......####.............................
########................................
........................................
........................................
"""
"""What `kornia.filters.canny(waves, 0.4, 0.8)` of kornia 0.9.0 finds, torch 2.13.0 on a CPU."""


def waves() -> Image:
    y, x = np.mgrid[0:24, 0:40].astype(np.float64)
    planes = [
        0.5 + 0.5 * np.sin(0.31 * x + 0.17 * y + k) * np.cos(0.05 * x - 0.41 * y + 0.02 * x * y / 3 + k * k)
        for k in range(3)
    ]
    return Image(torch.from_numpy(np.stack(planes, axis=-1)[None].astype(np.float32)))


def drawn(image: Image) -> list[str]:
    return ["".join("#" if dot else "." for dot in row) for row in image.pixels[0, :, :, 0].tolist()]


def square(value: float = 1.0) -> Image:
    pixels = torch.zeros(1, 30, 32, 3)
    pixels[:, 8:20, 10:24] = value
    return Image(pixels)


def test_the_edges_are_those_that_kornia_finds() -> None:
    assert drawn(canny(waves())) == KORNIA.split()


@pytest.mark.parametrize("brightness", [1.0, 0.7, 0.31])
def test_the_edge_of_a_square_is_a_ring_one_pixel_wide(brightness: float) -> None:
    edges = canny(square(brightness)).pixels[0, ..., 0]
    assert edges[10:18, :].sum(1).tolist() == [2.0] * 8  # once in, once out
    assert edges[:, 12:22].sum(0).tolist() == [2.0] * 10
    assert edges[:, :9].sum() + edges[:, 25:].sum() + edges[:7].sum() + edges[21:].sum() == 0
    assert not edges[10:18, 12:22].any()


def test_a_weak_line_stays_only_where_it_hangs_on_a_strong_one() -> None:
    pixels = torch.zeros(1, 40, 20, 3)
    pixels[:, :, 10:] = torch.linspace(0.1, 1.0, 40)[:, None, None]  # an edge that gets stronger downwards
    image = Image(pixels)
    assert canny(image, 0.3, 2.0).pixels[0, ..., 0].sum() > 30
    assert canny(image, 0.3, 2.7).pixels.sum() == 0  # strong nowhere, so nothing stays
    assert canny(image, 2.0, 2.0).pixels[0, ..., 0].sum() < 15


def test_edges_are_white_on_black_in_three_channels_row_by_row() -> None:
    both = Image(torch.cat([square().pixels, 0 * square().pixels]), (Item(0, 3), Item(2, 3)))
    edges = canny(both)
    assert edges.pixels.unique().tolist() == [0.0, 1.0]
    assert edges.pixels.shape == (2, 30, 32, 3)
    assert edges.items == both.items
    assert not edges.pixels[1].any()


def test_transparency_is_left_out() -> None:
    seen = square()
    transparent = Image(torch.cat([seen.pixels, torch.rand(1, 30, 32, 1)], dim=-1))
    assert torch.equal(canny(transparent).pixels, canny(seen).pixels)


def test_thresholds_out_of_order_are_refused() -> None:
    with pytest.raises(ValueRuleError, match=r"low threshold 0\.8 is above the high one 0\.4; swap them"):
        canny(square(), 0.8, 0.4)


def test_a_picture_that_is_too_small_is_refused() -> None:
    with pytest.raises(ValueRuleError, match="radius 2 does not fit into 9x2"):
        canny(Image(torch.zeros(1, 2, 9, 3)))
