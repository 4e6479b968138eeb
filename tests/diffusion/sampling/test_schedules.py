"""Schedules against another engine's, and the part of one that image-to-image runs."""

import pytest
import torch
from torch import Tensor

from nodeflow.diffusion.sampling.names import SCHEDULER_NAMES
from nodeflow.diffusion.sampling.prediction import flow_levels, scaled_linear_levels
from nodeflow.diffusion.sampling.schedules import window
from nodeflow.diffusion.sampling.table import builtin_table

SCHEDULES = {name: builtin_table().schedule(name) for name in SCHEDULER_NAMES}


@pytest.mark.parametrize("name", SCHEDULES)
@pytest.mark.parametrize("steps", [5, 20])
def test_a_schedule_agrees_with_comfyui(name: str, steps: int, golden: dict[str, Tensor]) -> None:
    found = SCHEDULES[name](scaled_linear_levels(), steps)
    # 2e-6: float32 powers and logarithms of another version of torch.
    torch.testing.assert_close(found, golden[f"sigmas.{name}.{steps}"], rtol=2e-6, atol=0)


@pytest.mark.parametrize("name", SCHEDULES)
@pytest.mark.parametrize("steps", [1, 2, 999, 1000, 1500])
@pytest.mark.parametrize("levels", [scaled_linear_levels(), flow_levels()])
def test_a_schedule_falls_from_the_highest_level_to_zero(name: str, steps: int, levels: object) -> None:
    assert hasattr(levels, "sigma_max")
    sigmas = SCHEDULES[name](levels, steps)  # type: ignore[arg-type]
    assert len(sigmas) == steps + 1
    assert sigmas[0] == pytest.approx(levels.sigma_max, rel=1e-5)
    assert sigmas[-1] == 0
    assert bool((sigmas.diff() <= 0).all())


@pytest.mark.parametrize(("denoise", "of"), [(0.5, 16), (0.3, 26), (0.99, 8), (0.001, 8000)])
def test_denoise_runs_the_last_steps_of_a_longer_schedule(denoise: float, of: int) -> None:
    levels, karras = scaled_linear_levels(), SCHEDULES["karras"]
    assert torch.equal(window(karras, levels, 8, denoise), karras(levels, of)[-9:])


def test_denoise_of_one_is_the_whole_and_of_zero_nothing() -> None:
    levels, normal = scaled_linear_levels(), SCHEDULES["normal"]
    assert torch.equal(window(normal, levels, 8, 1.0), normal(levels, 8))
    assert torch.equal(window(normal, levels, 8, 0.99995), normal(levels, 8))
    assert len(window(normal, levels, 8, 0.0)) == 0
