"""Churn: noise put back before each step of a deterministic solver."""

import math

from torch import Tensor

from nodeflow.diffusion.sampling.noise import Noise


class Churn:
    """Raises the level a little before a step (Karras et al. 2022, 2206.00364, algorithm 2, lines 4 to 6).

    Args:
        noise: Its first draw is what the run began with, and is passed over.
        steps: Of the run.
        s_churn: How much is put back over the whole run; 0 is nothing.
        s_tmin: Lowest level at which it is.
        s_tmax: Highest level at which it is.
        s_noise: Factor of the noise.
    """

    def __init__(self, noise: Noise, steps: int, s_churn: float, s_tmin: float, s_tmax: float, s_noise: float) -> None:
        self._noise = noise
        self._rate = min(s_churn / steps, math.sqrt(2) - 1) if s_churn > 0.0 else 0.0
        self._levels = (s_tmin, s_tmax)
        self._s_noise = s_noise
        if self._rate:
            noise()

    def __call__(self, x: Tensor, sigma: float) -> tuple[Tensor, float]:
        """Where the step begins, and at which level."""
        lowest, highest = self._levels
        if not self._rate or not lowest <= sigma <= highest:
            return x, sigma
        raised = sigma * (1 + self._rate)
        return x + math.sqrt(raised**2 - sigma**2) * self._s_noise * self._noise(), raised
