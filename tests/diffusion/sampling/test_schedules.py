"""Schedules against another engine's, and the part of one that image-to-image runs."""

import math

import numpy as np
import pytest
import torch
from diffusers.schedulers import AysSchedules
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from nodeflow.diffusion.errors import ValueRuleError
from nodeflow.diffusion.sampling.names import SCHEDULER_NAMES
from nodeflow.diffusion.sampling.prediction import NoiseLevels, flow_levels, scaled_linear_levels
from nodeflow.diffusion.sampling.schedules import align_your_steps, beta, ddim_uniform, normal, sd_turbo, window
from nodeflow.diffusion.sampling.table import builtin_table

SCHEDULES = {name: builtin_table().schedule(name) for name in SCHEDULER_NAMES}
EXACT = [name for name in SCHEDULES if name not in ("ddim_uniform", "beta")]
"""Those that always give as many steps as asked for."""
LEVELS = {"Stable Diffusion": scaled_linear_levels(), "flow": flow_levels()}


@pytest.mark.parametrize("name", SCHEDULES)
@pytest.mark.parametrize("steps", [5, 20])
def test_a_schedule_agrees_with_comfyui(name: str, steps: int, golden: dict[str, Tensor]) -> None:
    found = SCHEDULES[name](scaled_linear_levels(), steps)
    # Equal to the last bit where this was written; 2e-6 for powers and logarithms of other versions of torch.
    torch.testing.assert_close(found, golden[f"sigmas.{name}.{steps}"], rtol=2e-6, atol=0)


def test_levels_are_interpolated_between_logarithms_that_were_not_rounded_with_the_levels() -> None:
    levels = scaled_linear_levels()
    betas = np.linspace(math.sqrt(0.00085), math.sqrt(0.012), 1000) ** 2
    kept = np.cumprod(1 - betas)
    exact = np.log(np.sqrt((1 - kept) / kept))
    assert float((levels.logs - torch.from_numpy(exact)).abs().max()) < 1.3e-7  # half a unit of the last digit of 2.68
    assert torch.equal(levels.to("cpu").logs, levels.logs)


@pytest.mark.parametrize("name", EXACT)
@pytest.mark.parametrize("steps", [1, 2, 999, 1000, 1500])
@pytest.mark.parametrize("family", LEVELS)
def test_a_schedule_falls_from_the_highest_level_to_zero(name: str, steps: int, family: str) -> None:
    levels = LEVELS[family]
    sigmas = SCHEDULES[name](levels, steps)
    assert len(sigmas) == steps + 1
    assert sigmas[0] == pytest.approx(levels.sigma_max, rel=1e-5)
    assert sigmas[-1] == 0
    assert bool((sigmas.diff() <= 0).all())


@given(
    name=st.sampled_from(SCHEDULER_NAMES),
    family=st.sampled_from(sorted(LEVELS)),
    steps=st.integers(1, 200),
    denoise=st.floats(0.01, 1.0),
)
def test_any_steps_and_any_denoise_give_finite_falling_levels(
    name: str, family: str, steps: int, denoise: float
) -> None:
    sigmas = window(SCHEDULES[name], LEVELS[family], steps, denoise)
    assert sigmas.dtype == torch.float32
    assert bool(sigmas.isfinite().all())
    assert bool((sigmas.diff() <= 0).all())
    assert bool((sigmas[:-1] > 0).all())
    assert sigmas[-1] == 0
    if name in EXACT:
        assert len(sigmas) == steps + 1
    else:
        assert len(sigmas) >= 2


@pytest.mark.parametrize(("denoise", "of"), [(0.5, 16), (0.3, 26), (0.99, 8), (0.001, 8000)])
def test_denoise_runs_the_last_steps_of_a_longer_schedule(denoise: float, of: int) -> None:
    levels, karras = scaled_linear_levels(), SCHEDULES["karras"]
    assert torch.equal(window(karras, levels, 8, denoise), karras(levels, of)[-9:])


def test_denoise_of_one_is_the_whole_and_of_zero_nothing() -> None:
    levels, normal = scaled_linear_levels(), SCHEDULES["normal"]
    assert torch.equal(window(normal, levels, 8, 1.0), normal(levels, 8))
    assert torch.equal(window(normal, levels, 8, 0.99995), normal(levels, 8))
    assert len(window(normal, levels, 8, 0.0)) == 0


@pytest.mark.parametrize("denoise", [1e-6, 1e-9, 5e-324])
def test_a_share_whose_whole_way_would_fill_the_memory_is_refused(denoise: float) -> None:
    with pytest.raises(ValueRuleError, match=r"^denoise .* is too small for 3 steps; take 0, or 3e-06 at least$"):
        window(normal, scaled_linear_levels(), 3, denoise)


def test_the_smallest_share_that_is_not_refused_works() -> None:
    for steps, denoise in ((3, 3e-6), (10_000, 0.01)):
        assert len(window(normal, scaled_linear_levels(), steps, denoise)) == steps + 1


@pytest.mark.parametrize(("steps", "levels"), [(7, 8), (30, 31), (20, 20), (600, 999)])
def test_ddim_uniform_takes_whole_strides(steps: int, levels: int) -> None:
    assert len(ddim_uniform(scaled_linear_levels(), steps)) == levels + 1


def test_beta_visits_a_timestep_once() -> None:
    sigmas = beta(scaled_linear_levels(), 999)
    assert len(sigmas) == 846 + 1
    assert bool((sigmas.diff() < 0).all())


def test_beta_with_equal_weights_of_one_has_equal_distances() -> None:
    table = scaled_linear_levels().table
    assert torch.equal(
        beta(scaled_linear_levels(), 3, alpha=1, beta=1), torch.cat([table[[999, 666, 333]], table.new_zeros(1)])
    )


@pytest.mark.parametrize("weights", [{"alpha": 0.0}, {"beta": -1.0}, {"alpha": math.nan}])
def test_beta_refuses_a_distribution_that_is_none(weights: dict[str, float]) -> None:
    with pytest.raises(ValueRuleError, match="must be above 0"):
        beta(scaled_linear_levels(), 5, **weights)


@pytest.mark.parametrize("schedule", [normal, ddim_uniform])
def test_a_table_that_begins_at_nearly_zero_gets_no_second_step_to_zero(schedule: object) -> None:
    assert callable(schedule)
    levels = NoiseLevels(torch.cat([torch.full((2,), 1e-7), torch.linspace(0.1, 10, 98)]))
    sigmas = schedule(levels, 4)
    assert len(sigmas) == 5
    assert float(sigmas[-1]) == pytest.approx(1e-7)


def test_sd_turbo_visits_every_hundredth_timestep_from_the_top() -> None:
    levels = scaled_linear_levels()
    torch.testing.assert_close(sd_turbo(levels, 2), torch.tensor([*levels.table[[999, 899]], 0.0]))
    torch.testing.assert_close(sd_turbo(levels, 1, 0.35), torch.tensor([levels.table[299], 0.0]))
    assert len(sd_turbo(levels, 10)) == 11
    assert len(sd_turbo(levels, 10, 0.3)) == 4


@pytest.mark.parametrize(("model", "published"), [("SD1", "StableDiffusion"), ("SDXL", "StableDiffusionXL")])
def test_aligned_steps_are_at_the_timesteps_that_diffusers_gives(model: str, published: str) -> None:
    table = scaled_linear_levels().table
    assert torch.equal(align_your_steps(model, 10)[:-1], table[AysSchedules[f"{published}Timesteps"]])


def test_aligned_steps_for_video_are_those_that_diffusers_gives() -> None:
    torch.testing.assert_close(align_your_steps("SVD", 10), torch.tensor(AysSchedules["StableDiffusionVideoSigmas"]))


def test_other_numbers_of_aligned_steps_lie_on_lines_in_log_sigma() -> None:
    known = align_your_steps("SVD", 10).double().numpy()
    known[-1] = 0.002
    expected = np.exp(np.interp(np.linspace(0, 1, 26), np.linspace(0, 1, 11), np.log(known)))
    expected[-1] = 0
    np.testing.assert_allclose(align_your_steps("SVD", 25).numpy(), expected, rtol=1e-6)


def test_aligned_steps_keep_the_rounded_share_that_is_denoised() -> None:
    whole = align_your_steps("SD1", 10)
    assert torch.equal(align_your_steps("SD1", 10, 0.44), whole[-5:])
    assert torch.equal(align_your_steps("SD1", 1), whole[[0, -1]])
    assert len(align_your_steps("SD1", 10, 0.0)) == 0
    with pytest.raises(ValueRuleError, match="steps 0 is below 1"):
        align_your_steps("SD1", 0)
