"""What is done to latents, against closed forms and loops in numpy."""

import numpy as np
import pytest
import torch
from torch import Tensor

from nodeflow.diffusion.errors import ValueRuleError
from nodeflow.diffusion.latent_operations import LatentOperation, SharpenLatent, TonemapReinhard


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_lengths_are_taken_back_and_directions_kept() -> None:
    samples = noise(2, 4, 5, 6).double()
    found = TonemapReinhard(0.5)(samples)
    for row in range(2):
        lengths = np.linalg.norm(samples[row].numpy(), axis=0)
        most = 0.5 * (lengths.mean() + 5 * lengths.std(ddof=1))
        shorter = lengths / most / (1 + lengths / most) * most
        np.testing.assert_allclose(found[row].numpy(), samples[row].numpy() / lengths * shorter, rtol=1e-9)


def test_equal_cells_are_halved() -> None:
    torch.testing.assert_close(TonemapReinhard()(torch.full((1, 4, 3, 3), 2.0)), torch.ones(1, 4, 3, 3))
    torch.testing.assert_close(TonemapReinhard()(torch.full((1, 4, 1, 1), 2.0)), torch.ones(1, 4, 1, 1))


def test_nothing_becomes_no_nan() -> None:
    assert not TonemapReinhard()(torch.zeros(1, 4, 3, 3)).any()
    assert not TonemapReinhard(0.0)(noise(1, 4, 3, 3)).any()


def test_a_cell_is_sharpened_by_the_kernel_of_an_unsharp_mask() -> None:
    samples = noise(1, 4, 9, 9).double()
    radius, sigma, alpha = 2, 0.7, 0.3
    lengths = np.linalg.norm(samples[0].numpy(), axis=0) + 1e-6
    directions = np.pad(samples[0].numpy() / lengths, ((0, 0), (radius, radius), (radius, radius)), mode="reflect")
    place = np.linspace(-1, 1, 2 * radius + 1)
    kernel = np.exp(-(place[:, None] ** 2 + place**2) / (2 * sigma**2))
    kernel *= -10 * alpha / kernel.sum()
    kernel[radius, radius] += 10 * alpha + 1
    found = SharpenLatent(radius, sigma, alpha)(samples)[0].numpy()
    for y, x in [(0, 0), (4, 4), (8, 3)]:
        cell = (directions[:, y : y + 5, x : x + 5] * kernel).sum(axis=(1, 2)) * lengths[y, x]
        np.testing.assert_allclose(found[:, y, x], cell, rtol=1e-6)


def test_nothing_is_sharpened_where_all_cells_are_alike_or_the_strength_is_none() -> None:
    torch.testing.assert_close(SharpenLatent(2)(torch.full((1, 4, 4, 4), -3.0)), torch.full((1, 4, 4, 4), -3.0))
    torch.testing.assert_close(SharpenLatent(2, alpha=0.0)(noise(1, 4, 4, 4)), noise(1, 4, 4, 4))


def test_a_latent_smaller_than_the_mask_is_refused() -> None:
    with pytest.raises(ValueRuleError, match="radius 9 does not fit into 8x16; it must be below both sides"):
        SharpenLatent()(noise(1, 4, 16, 8))


@pytest.mark.parametrize("operation", [TonemapReinhard(0.3), SharpenLatent(3)])
def test_every_row_is_changed_by_itself(operation: LatentOperation) -> None:
    samples = noise(3, 4, 8, 8)
    torch.testing.assert_close(operation(samples)[1], operation(samples[1:2])[0])
    assert torch.equal(samples, noise(3, 4, 8, 8))
