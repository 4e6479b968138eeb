"""Interpolation on spheres, against rotations and numpy."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from nodeflow.diffusion.slerp import bislerp, slerp


@pytest.mark.parametrize("share", [0.0, 0.25, 0.5, 1.0])
def test_the_way_between_two_directions_is_a_rotation(share: float) -> None:
    start, end = torch.tensor([[3.0, 0.0]]), torch.tensor([[0.0, 5.0]])
    angle, length = share * math.pi / 2, 3 + 2 * share
    found = slerp(start, end, torch.tensor([[share]]))
    assert found[0].tolist() == pytest.approx([length * math.cos(angle), length * math.sin(angle)], abs=1e-6)


def test_parallel_opposite_and_empty_vectors_stay_finite() -> None:
    start = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 0.0]])
    end = torch.tensor([[4.0, 0.0], [-3.0, 0.0], [2.0, 0.0]])
    found = slerp(start, end, torch.full((3, 1), 0.5))
    assert found[0].tolist() == [1.0, 0.0]
    assert found[1].tolist() == [-1.0, 0.0]
    assert bool(torch.isfinite(found).all())


def test_where_all_cells_point_one_way_the_shape_is_that_of_the_new_size() -> None:
    samples = torch.ones(2, 3, 4, 6)
    assert torch.equal(bislerp(samples, 9, 5), torch.ones(2, 3, 5, 9))


def test_lengths_are_interpolated_as_bilinear_interpolation_does() -> None:
    """Directions that differ: the length of each new cell is the bilinear mean of the old lengths."""
    generator = torch.Generator().manual_seed(3)
    samples = torch.randn(1, 4, 5, 1, generator=generator)
    lengths = samples.norm(dim=1, keepdim=True)
    found = bislerp(samples, 1, 8).norm(dim=1, keepdim=True)
    wanted = F.interpolate(lengths, size=(8, 1), mode="bilinear", align_corners=False)
    np.testing.assert_allclose(found.numpy(), wanted.numpy(), rtol=1e-5)
