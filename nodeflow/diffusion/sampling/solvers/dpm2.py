"""DPM-Solver-2, deterministic and ancestral: the slope in the middle of a step, in log sigma."""

import math
from collections.abc import Iterator

from torch import Tensor

from nodeflow.diffusion.protocols import Denoiser
from nodeflow.diffusion.sampling.noise import Noise
from nodeflow.diffusion.sampling.solvers.churn import Churn
from nodeflow.diffusion.sampling.solvers.step import (
    Move,
    ancestral_split,
    denoise,
    levels_in_pairs,
    levels_visited,
)


def dpm_2(
    denoiser: Denoiser,
    x: Tensor,
    sigmas: Tensor,
    noise: Noise,
    *,
    s_churn: float = 0.0,
    s_tmin: float = 0.0,
    s_tmax: float = math.inf,
    s_noise: float = 1.0,
) -> Iterator[Move]:
    """DPM-Solver-2 with the middle at equal ratios (Lu et al. 2022, 2206.00927, algorithm 1).

    In the last line the slope is taken as constant in sigma, not in log sigma as in the paper: the difference is of
    third order. Two evaluations a step, one where it goes to 0. Arguments as in `euler`.
    """
    churn = Churn(noise, len(levels_visited(sigmas)) - 1, s_churn, s_tmin, s_tmax, s_noise)
    for sigma, sigma_next in levels_in_pairs(sigmas):
        x, raised = churn(x, sigma)
        denoised = denoise(denoiser, x, raised)
        x = _stepped(denoiser, x, denoised, raised, sigma_next)
        yield Move(x, denoised, sigma)


def dpm_2_ancestral(
    denoiser: Denoiser, x: Tensor, sigmas: Tensor, noise: Noise, *, eta: float = 1.0, s_noise: float = 1.0
) -> Iterator[Move]:
    """Steps of `dpm_2` below the next level, then noise up to it. Arguments as in `euler_ancestral`."""
    for sigma, sigma_next in levels_in_pairs(sigmas):
        denoised = denoise(denoiser, x, sigma)
        down, up = ancestral_split(sigma, sigma_next, eta)
        x = _stepped(denoiser, x, denoised, sigma, down)
        if down > 0.0:
            x = x + noise() * (s_noise * up)
        yield Move(x, denoised, sigma)


def _stepped(denoiser: Denoiser, x: Tensor, denoised: Tensor, sigma: float, sigma_next: float) -> Tensor:
    if sigma_next == 0.0:
        return denoised
    middle = math.sqrt(sigma * sigma_next)
    halfway = x + (x - denoised) / sigma * (middle - sigma)
    return x + (halfway - denoise(denoiser, halfway, middle)) / middle * (sigma_next - sigma)
