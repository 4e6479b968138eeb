"""Noise masks: what is outside stays, and graded masks become free as the run goes on."""

import pytest
import torch
from torch import Tensor

from nodeflow.diffusion.protocols import Both
from nodeflow.diffusion.sampling.masked import Graded, Masked, Progress, in_cells
from nodeflow.diffusion.sampling.prediction import scaled_linear_levels
from nodeflow.diffusion.types import Mask

HALF = torch.tensor([0.5])


class Sevens:
    """Takes every picture for sevens, and keeps what it saw."""

    def __init__(self) -> None:
        self.seen: list[Tensor] = []

    def __call__(self, x: Tensor, sigma: Tensor) -> Tensor:
        self.seen.append(x)
        return torch.full_like(x, 7.0)

    def both(self, x: Tensor, sigma: Tensor) -> Both:
        return Both(self(x, sigma), torch.full_like(x, -1.0))


def cells(*values: float) -> Tensor:
    return torch.tensor(values).reshape(1, 1, 2, 2)


def test_a_mask_keeps_what_is_outside() -> None:
    inner = Sevens()
    masked = Masked(inner, cells(2, 2, 2, 2), cells(3, 3, 3, 3), cells(1.0, 0.0, 0.5, 0.0))
    assert masked(cells(100, 100, 100, 100), HALF).flatten().tolist() == [7.0, 2.0, 4.5, 2.0]
    assert inner.seen[0].flatten().tolist() == [100.0, 3.5, 51.75, 3.5]  # outside: latent + 0.5 noise


def test_in_flow_models_what_is_outside_fades_as_noise_comes() -> None:
    inner = Sevens()
    Masked(inner, cells(2, 2, 2, 2), cells(3, 3, 3, 3), cells(0, 0, 0, 0), is_flow=True)(cells(9, 9, 9, 9), HALF)
    assert inner.seen[0].unique().tolist() == [2.5]


def test_the_negative_side_is_told_as_it_is() -> None:
    masked = Masked(Sevens(), cells(2, 2, 2, 2), cells(3, 3, 3, 3), cells(1.0, 0.0, 0.5, 0.0))
    denoised, negative = masked.both(cells(9, 9, 9, 9), HALF)
    assert denoised.flatten().tolist() == [7.0, 2.0, 4.5, 2.0]
    assert negative.unique().tolist() == [-1.0]


def test_a_graded_mask_becomes_free_from_bright_to_dark() -> None:
    levels = scaled_linear_levels()
    sigmas = [*levels.sigma(torch.tensor([999.0, 749.25, 499.5, 249.75])).tolist(), 0.0]
    progress = Progress.of(torch.tensor(sigmas), levels, "cpu")
    mask = cells(1.0, 0.6, 0.3, 0.1)
    free = []
    for sigma in sigmas[:-1]:
        inner = Sevens()
        masked = Masked(inner, cells(2, 2, 2, 2), torch.zeros(1, 1, 2, 2), mask, masking=Graded(), progress=progress)
        found = masked(cells(9, 9, 9, 9), torch.tensor([sigma]))
        free.append([value == 7.0 for value in found.flatten().tolist()])
    assert free == [
        [True, False, False, False],
        [True, False, False, False],
        [True, True, False, False],
        [True, True, True, False],
    ]


def test_what_is_left_is_counted_in_timesteps_between_the_ends_of_the_run() -> None:
    levels = scaled_linear_levels()
    progress = Progress.of(levels.sigma(torch.tensor([800.0, 200.0])), levels, "cpu")
    left = progress.left(levels.sigma(torch.tensor([800.0, 500.0, 200.0])))
    assert left.tolist() == pytest.approx([1.0, 0.5, 0.0])


def test_a_run_that_stays_at_one_timestep_has_nothing_left() -> None:
    levels = scaled_linear_levels()
    progress = Progress.of(torch.tensor([0.02, 0.0]), levels, "cpu")
    assert progress.left(torch.tensor([0.02])).tolist() == [0.0]


def test_a_weaker_grading_is_nearer_to_the_mask_as_it_is() -> None:
    mask, left = torch.tensor([0.8, 0.2]), torch.tensor([0.5])
    assert Graded(0.25).at(mask, left).tolist() == pytest.approx([0.85, 0.15])


def test_a_mask_of_any_size_becomes_one_of_cells_with_soft_edges() -> None:
    values = torch.zeros(2, 4, 6)
    values[:, :, 3:] = 1.0
    found = in_cells(Mask(values), (2, 2), "cpu")
    assert found.shape == (2, 1, 2, 2)
    assert found[0, 0, 0].tolist() == [0.0, 1.0]
    assert in_cells(Mask(torch.eye(2)[None]), (3, 3), "cpu")[0, 0, 1, 1] == 0.5
