"""Schedules: which noise levels a run visits.

A schedule is a function of the network's levels and a number of steps to falling levels with 0 at the end. Those that
have parameters of their own take them as keywords; formulas that need no network are in `spacings`.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Literal

import torch
from torch import Tensor

from nodeflow.diffusion.errors import ValueRuleError
from nodeflow.diffusion.sampling.prediction import NoiseLevels, scaled_linear_levels
from nodeflow.diffusion.sampling.spacings import ended
from nodeflow.diffusion.sampling.spacings import exponential as exponential_spacing
from nodeflow.diffusion.sampling.spacings import karras as karras_spacing
from nodeflow.diffusion.sampling.spacings import kl_optimal as kl_optimal_spacing

Schedule = Callable[[NoiseLevels, int], Tensor]
"""(levels, steps >= 1) to float32 [steps + 1], falling, the last one 0.

`ddim_uniform` and `beta` may give another number of levels, see there.
"""
AlignedModel = Literal["SD1", "SDXL", "SVD"]
"""What there are optimised levels for, see `align_your_steps`."""

_MOST_STEPS = 1_000_000
"""Of a schedule of which only the end is run: at a denoise of 0.01, 10,000 steps are."""
_NEARLY_ZERO = 1e-5
"""A lowest level below this needs no step to 0 after it."""


def simple(levels: NoiseLevels, steps: int) -> Tensor:
    """Entries of the network's own table at equal distances, beginning with the highest."""
    count = len(levels.table)
    picks = [max(count - 1 - int(step * count / steps), 0) for step in range(steps)]
    return ended(levels.table[picks])


def sgm_uniform(levels: NoiseLevels, steps: int) -> Tensor:
    """Timesteps at equal distances without the lowest, as in Stability AI's generative-models."""
    return ended(levels.sigma(_timesteps(levels, steps + 1)[:-1]))


def karras(levels: NoiseLevels, steps: int) -> Tensor:
    """Denser at low noise, see `spacings.karras`."""
    return karras_spacing(steps, levels.sigma_min, levels.sigma_max)


def exponential(levels: NoiseLevels, steps: int) -> Tensor:
    """At equal ratios, see `spacings.exponential`."""
    return exponential_spacing(steps, levels.sigma_min, levels.sigma_max)


def ddim_uniform(levels: NoiseLevels, steps: int) -> Tensor:
    """Every c-th entry of the table from the second on, c a whole number (DDIM, Song et al. 2021, 2010.02502).

    It begins below the highest level, and gives more than `steps` levels where these do not divide the table:
    31 for 30.
    """
    ends_near_zero = float(levels.table[1]) < _NEARLY_ZERO
    stride = max(len(levels.table) // (steps + ends_near_zero), 1)
    sigmas = levels.table[1::stride].flip(0)
    return sigmas.float() if ends_near_zero else ended(sigmas)


def beta(levels: NoiseLevels, steps: int, alpha: float = 0.6, beta: float = 0.6) -> Tensor:
    """Timesteps at the quantiles of a beta distribution (Lee et al. 2024, 2407.12173): denser at both ends.

    Where two quantiles round to one timestep it is visited once, so that very many steps give fewer levels.

    Raises:
        ValueRuleError: `alpha` or `beta` is 0 or less.
    """
    if not (alpha > 0 and beta > 0):
        raise ValueRuleError(f"beta schedule: alpha {alpha:g} and beta {beta:g} must be above 0")
    from scipy.special import betaincinv

    quantiles = betaincinv(alpha, beta, (1 - torch.arange(steps, dtype=torch.float64) / steps).numpy())
    picks = (torch.from_numpy(quantiles) * (len(levels.table) - 1)).round().long()  # half to even
    return ended(levels.table[torch.unique(picks).flip(0)])


def normal(levels: NoiseLevels, steps: int) -> Tensor:
    """Timesteps at equal distances from the highest to the lowest (DDIM's linear spacing, 2010.02502)."""
    lowest = float(levels.sigma(_timesteps(levels, 2)[-1:]))
    if lowest < _NEARLY_ZERO:
        return levels.sigma(_timesteps(levels, steps + 1))
    return ended(levels.sigma(_timesteps(levels, steps)))


def linear_quadratic(levels: NoiseLevels, steps: int, threshold: float = 0.025) -> Tensor:
    """Small equal steps down by `threshold` in the first half, then a parabola (Movie Gen, 2410.13720)."""
    if steps == 1:
        return ended(torch.tensor([levels.sigma_max]))
    linear = steps // 2
    rest = steps - linear
    slope = threshold / linear
    bend = (1 - threshold - slope * rest) / rest**2  # the parabola leaves with the slope of the line, and ends at 1
    left = [1 - (slope * step + bend * max(step - linear, 0) ** 2) for step in range(steps)]
    return ended(torch.tensor(left) * levels.sigma_max)


def kl_optimal(levels: NoiseLevels, steps: int) -> Tensor:
    """The least divergence from Gaussian data, see `spacings.kl_optimal`."""
    return kl_optimal_spacing(steps, levels.sigma_min, levels.sigma_max)


def sd_turbo(levels: NoiseLevels, steps: int, denoise: float = 1.0) -> Tensor:
    """Timesteps 999, 899, …, 99, which SD-Turbo was distilled on (Sauer et al. 2023, 2311.17042).

    Args:
        levels: The levels of the network.
        steps: How many of the ten are visited, from the first on.
        denoise: Share of the ten that is left: at 0.7 the first three are passed over.

    Returns:
        float32, the last one 0; fewer than `steps` + 1 where fewer of the ten are left.
    """
    first = 10 - int(10 * denoise)
    timesteps = torch.arange(999, 0, -100)[first : first + steps]
    return ended(levels.sigma(timesteps))


_ALIGNED_TIMESTEPS: Mapping[str, tuple[int, ...]] = MappingProxyType(
    {
        "SD1": (999, 850, 736, 645, 545, 455, 343, 233, 124, 24, 0),
        "SDXL": (999, 845, 730, 587, 443, 310, 193, 116, 53, 13, 0),
    }
)
_ALIGNED_SVD = (700.0, 54.5, 15.886, 7.977, 4.248, 1.789, 0.981, 0.403, 0.173, 0.034, 0.002)


def align_your_steps(model_type: AlignedModel, steps: int, denoise: float = 1.0) -> Tensor:
    """Levels optimised for one network each (Sabour et al. 2024, 2404.14507; the tables are on its project page).

    They are given for ten steps; other numbers of steps are interpolated in log sigma.

    Args:
        model_type: Which network.
        steps: How many steps the whole way has.
        denoise: Share of the steps that is run, the last ones.

    Returns:
        float32 [round(steps * denoise) + 1], the last one 0; empty when `denoise` is 0 or less.

    Raises:
        ValueRuleError: `steps` is below 1.
    """
    if steps < 1:
        raise ValueRuleError(f"steps {steps} is below 1")
    if denoise <= 0.0:
        return torch.empty(0)
    if model_type == "SVD":
        known = torch.tensor(_ALIGNED_SVD, dtype=torch.float64)
    else:
        known = scaled_linear_levels().table[list(_ALIGNED_TIMESTEPS[model_type])].double()
    sigmas = _interpolated(known.log(), steps + 1).exp().float()
    sigmas[-1] = 0.0
    return sigmas[-(round(steps * min(denoise, 1.0)) + 1) :]


def window(schedule: Schedule, levels: NoiseLevels, steps: int, denoise: float) -> Tensor:
    """The levels of a run that starts from a picture rather than from noise.

    Args:
        schedule: Which levels.
        levels: The levels of the network.
        steps: How many steps are run, 1 or more.
        denoise: Share of the whole way that is run: the levels are the last `steps` of a schedule of `steps / denoise`.

    Returns:
        float32 [steps + 1], or empty when `denoise` is 0 or less.

    Raises:
        ValueRuleError: `denoise` is so small that the whole schedule would have more than a million steps.
    """
    if denoise <= 0.0:
        return torch.empty(0)
    if denoise > 0.9999:
        return schedule(levels, steps)
    if steps / denoise >= _MOST_STEPS + 1:
        least = steps / _MOST_STEPS
        raise ValueRuleError(f"denoise {denoise:g} is too small for {steps} steps; take 0, or {least:g} at least")
    return schedule(levels, int(steps / denoise))[-(steps + 1) :]


def _timesteps(levels: NoiseLevels, count: int) -> Tensor:
    ends = levels.timestep(torch.tensor([levels.sigma_max, levels.sigma_min]))
    return torch.linspace(float(ends[0]), float(ends[1]), count)


def _interpolated(values: Tensor, count: int) -> Tensor:
    """The same curve at another number of equally distant points, with lines between those that are known."""
    if count == len(values):
        return values
    position = torch.linspace(0, len(values) - 1, count, dtype=values.dtype)
    low = position.floor().long().clamp(max=len(values) - 2)
    share = position - low
    return values[low] * (1 - share) + values[low + 1] * share
