"""Schedules: which noise levels a run visits.

A schedule is a function of the network's levels and a number of steps to falling levels with 0 at the end.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from nodeflow.diffusion.sampling.prediction import NoiseLevels

Schedule = Callable[[NoiseLevels, int], Tensor]
"""(levels, steps >= 1) to float32 [steps + 1], falling, the last one 0."""


def normal(levels: NoiseLevels, steps: int) -> Tensor:
    """Timesteps at equal distances from the highest to the lowest (DDIM's linear spacing, 2010.02502)."""
    ends = levels.timestep(torch.tensor([levels.sigma_max, levels.sigma_min]))
    return _ended(levels.sigma(torch.linspace(float(ends[0]), float(ends[1]), steps)))


def karras(levels: NoiseLevels, steps: int, rho: float = 7.0) -> Tensor:
    """Denser at low noise (Karras et al. 2022, 2206.00364, eq. 5)."""
    ramp = torch.linspace(0, 1, steps)
    high, low = levels.sigma_max ** (1 / rho), levels.sigma_min ** (1 / rho)
    return _ended((high + ramp * (low - high)) ** rho)


def simple(levels: NoiseLevels, steps: int) -> Tensor:
    """Entries of the network's own table at equal distances, beginning with the highest."""
    count = len(levels.table)
    picks = [max(count - 1 - int(step * count / steps), 0) for step in range(steps)]
    return _ended(levels.table[picks])


def window(schedule: Schedule, levels: NoiseLevels, steps: int, denoise: float) -> Tensor:
    """The levels of a run that starts from a picture rather than from noise.

    Args:
        schedule: Which levels.
        levels: The levels of the network.
        steps: How many steps are run, 1 or more.
        denoise: Share of the whole way that is run: the levels are the last `steps` of a schedule of `steps / denoise`.

    Returns:
        float32 [steps + 1], or empty when `denoise` is 0 or less.
    """
    if denoise <= 0.0:
        return torch.empty(0)
    if denoise > 0.9999:
        return schedule(levels, steps)
    return schedule(levels, int(steps / denoise))[-(steps + 1) :]


def _ended(sigmas: Tensor) -> Tensor:
    return torch.cat([sigmas.float(), torch.zeros(1)])
