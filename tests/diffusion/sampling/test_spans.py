"""Parts of a schedule: the level before the last left out, and runs of some steps."""

import pytest
import torch
from torch import Tensor

from nodeflow.diffusion.sampling.prediction import NoiseLevels, scaled_linear_levels
from nodeflow.diffusion.sampling.schedules import karras, window
from nodeflow.diffusion.sampling.spans import span, without_penultimate

SIGMAS = torch.tensor([8.0, 4.0, 2.0, 1.0, 0.0])


def countdown(_levels: NoiseLevels, steps: int) -> Tensor:
    return torch.arange(steps, -1, -1).float()


@pytest.mark.parametrize(("steps", "expected"), [(3, [4.0, 3.0, 2.0, 0.0]), (1, [2.0, 0.0])])
def test_of_one_step_more_the_level_before_the_last_is_left_out(steps: int, expected: list[float]) -> None:
    assert without_penultimate(countdown)(scaled_linear_levels(), steps).tolist() == expected


def test_with_less_denoising_a_level_is_left_out_of_the_longer_schedule() -> None:
    # As in ComfyUI: 4 steps at 0.5 are the last 4 of 8, which are 9 without the one before the last.
    levels = scaled_linear_levels()
    longer = karras(levels, 9)
    found = window(without_penultimate(karras), levels, 4, 0.5)
    assert torch.equal(found, torch.cat([longer[4:8], longer[9:]]))


@pytest.mark.parametrize(
    ("start", "end", "leftover", "expected"),
    [
        (0, None, False, [8.0, 4.0, 2.0, 1.0, 0.0]),
        (0, 10_000, False, [8.0, 4.0, 2.0, 1.0, 0.0]),
        (0, 2, True, [8.0, 4.0, 2.0]),
        (0, 2, False, [8.0, 4.0, 0.0]),
        (2, None, False, [2.0, 1.0, 0.0]),
        (1, 3, True, [4.0, 2.0, 1.0]),
        (1, 3, False, [4.0, 2.0, 0.0]),
        (3, 3, True, []),
        (0, 0, False, []),
        (4, None, False, []),
        (10_000, 10_000, False, []),
    ],
)
def test_a_run_takes_the_steps_it_is_told(start: int, end: int | None, leftover: bool, expected: list[float]) -> None:
    assert span(SIGMAS, start, end, leftover=leftover).tolist() == expected


def test_the_levels_of_the_whole_run_are_left_alone() -> None:
    whole = SIGMAS.clone()
    span(whole, 0, 2, leftover=False)
    assert torch.equal(whole, SIGMAS)
