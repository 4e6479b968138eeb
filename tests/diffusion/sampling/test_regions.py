"""Areas and masks in the cells of a latent: where they lie, and how they fade."""

import numpy as np
import pytest
import torch
from PIL import Image as Pillow
from torch import Tensor

from nodeflow.diffusion.sampling.regions import Box, box_of_area, box_of_mask, feathered, mask_in_cells
from nodeflow.diffusion.types import Area, Mask

CPU = torch.device("cpu")
SIZE = (20, 30)


@pytest.mark.parametrize(
    ("area", "box"),
    [
        (Area(0, 0, 240, 160), Box(0, 0, 20, 30)),
        (Area(64, 32, 80, 64), Box(4, 8, 8, 10)),
        (Area(71, 39, 87, 71), Box(4, 8, 8, 10)),  # cells are whole, what is over is cut off
        (Area(160, 96, 640, 640), Box(12, 20, 8, 10)),  # to the edge of the latent
        (Area(0, 0, 4, 4), Box(0, 0, 1, 1)),
        (Area(0.5, 0.25, 0.5, 0.5, relative=True), Box(5, 15, 10, 15)),
        (Area(0.0, 0.0, 0.001, 0.001, relative=True), Box(0, 0, 1, 1)),  # at least one cell
        (Area(0.9, 0.0, 0.5, 1.0, relative=True), Box(0, 27, 20, 3)),
        (Area(0.0, 0.0, 0.35, 0.125, relative=True), Box(0, 0, 2, 10)),  # 10.5 and 2.5 round to even
    ],
)
def test_an_area_lies_on_these_cells(area: Area, box: Box) -> None:
    assert box_of_area(area, SIZE, 8) == box


@pytest.mark.parametrize("area", [Area(240, 0, 64, 64), Area(0, 160, 64, 64), Area(1.0, 0.0, 0.5, 0.5, relative=True)])
def test_an_area_outside_of_the_latent_has_no_cells(area: Area) -> None:
    assert box_of_area(area, SIZE, 8) is None


def masked(*cells: tuple[int, int]) -> Tensor:
    mask = torch.zeros(len(cells) or 1, *SIZE)
    for row, (y, x) in enumerate(cells):
        mask[row, y, x] = 0.1
    return mask


@pytest.mark.parametrize(
    ("mask", "box"),
    [
        (torch.ones(1, *SIZE), Box(0, 0, 20, 30)),
        (masked((3, 4), (14, 24)), Box(3, 4, 12, 21)),  # of all rows together
        (masked((3, 4)), Box(3, 4, 8, 8)),  # eight cells at least
        (masked((18, 28)), Box(18, 28, 2, 2)),  # as far as there is room
        (masked(), Box(0, 0, 8, 8)),
        (torch.zeros(1, 5, 30), Box(0, 0, 5, 8)),
    ],
)
def test_a_mask_is_bound_by_these_cells(mask: Tensor, box: Box) -> None:
    assert box_of_mask(mask) == box


def test_a_box_fades_from_its_inner_sides_only() -> None:
    weights = feathered(Box(0, 10, 8, 12), SIZE, CPU)[0, 0]
    assert weights.shape == (8, 12)
    # A quarter of each side: 3 columns at the left and right, 2 rows below; the upper edge is the picture's.
    rows = [1.0] * 6 + [1.0, 0.5]
    columns = [1 / 3, 2 / 3, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 2 / 3, 1 / 3]
    torch.testing.assert_close(weights, torch.tensor([[row * column for column in columns] for row in rows]))


def test_a_box_fades_over_eight_cells_at_most() -> None:
    weights = feathered(Box(0, 0, 64, 64), (64, 128), CPU)[0, 0]
    assert weights[:, :56].eq(1.0).all()
    torch.testing.assert_close(weights[0, 56:], torch.arange(8, 0, -1) / 8)


@pytest.mark.parametrize("size", [(1, 1), (3, 3)])
def test_a_box_too_small_to_fade_is_whole(size: tuple[int, int]) -> None:
    assert feathered(Box(5, 5, *size), SIZE, CPU).eq(1.0).all()


def test_the_whole_latent_does_not_fade() -> None:
    assert feathered(Box(0, 0, *SIZE), SIZE, CPU).eq(1.0).all()


def test_a_mask_of_the_right_size_is_taken_as_it_is() -> None:
    mask = Mask(torch.rand(2, *SIZE))
    assert mask_in_cells(mask, SIZE) is mask.values


def test_a_mask_is_stretched_bilinearly_as_pillow_would() -> None:
    values = np.random.default_rng(0).random((5, 6), dtype=np.float32)
    found = mask_in_cells(Mask(torch.from_numpy(values)[None]), SIZE)[0]
    # Enlarging, where a filter that looks at neighbours only and one that averages give the same.
    peer = Pillow.fromarray(values).resize((30, 20), Pillow.Resampling.BILINEAR)
    torch.testing.assert_close(found, torch.from_numpy(np.array(peer)), rtol=0, atol=1e-6)


def test_boxes_know_what_is_inside_of_them() -> None:
    outer = Box(2, 3, 10, 10)
    assert Box(2, 3, 10, 10).inside(outer)
    assert Box(4, 4, 3, 3).inside(outer)
    assert not any(box.inside(outer) for box in (Box(1, 3, 2, 2), Box(2, 2, 2, 2), Box(11, 3, 2, 1), Box(2, 12, 1, 2)))
    assert outer.cells == 100
    assert outer.size == (10, 10)
