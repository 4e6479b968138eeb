"""Heun's method, and Heun++: slopes at the end of a step, and beyond it, are weighed in."""

import math
from collections.abc import Iterator

from torch import Tensor

from nodeflow.diffusion.protocols import Denoiser
from nodeflow.diffusion.sampling.noise import Noise
from nodeflow.diffusion.sampling.solvers.churn import Churn
from nodeflow.diffusion.sampling.solvers.step import Move, denoise, levels_in_pairs, levels_visited


def heun(
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
    """Heun's method, of second order (Karras et al. 2022, 2206.00364, algorithm 2).

    Two evaluations a step, one where it goes to 0. Arguments as in `euler`.
    """
    churn = Churn(noise, len(levels_visited(sigmas)) - 1, s_churn, s_tmin, s_tmax, s_noise)
    for sigma, sigma_next in levels_in_pairs(sigmas):
        x, raised = churn(x, sigma)
        denoised = denoise(denoiser, x, raised)
        slope, step = (x - denoised) / raised, sigma_next - raised
        if sigma_next > 0.0:
            ahead = x + step * slope
            slope = (slope + (ahead - denoise(denoiser, ahead, sigma_next)) / sigma_next) / 2
        x = x + step * slope
        yield Move(x, denoised, sigma)


def heunpp2(
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
    """Heun++, an unpublished variant: up to three slopes a step, weighted by their levels.

    With k slopes, at this level and the k - 1 after it, each later one weighs `sigma_i / (k sigma_0)` and the first
    what is left to 1, so that a run is close to Euler's at low noise. The order is one. There are three slopes but in
    the last two steps, which have two and one. Arguments as in `euler`.
    """
    visited = levels_visited(sigmas)
    churn = Churn(noise, len(visited) - 1, s_churn, s_tmin, s_tmax, s_noise)
    for index, sigma in enumerate(visited[:-1]):
        x, raised = churn(x, sigma)
        denoised = denoise(denoiser, x, raised)
        slopes = [(x - denoised) / raised]
        ahead, at = x, raised
        for level in visited[index + 1 : -1][:2]:
            ahead = ahead + (level - at) * slopes[-1]
            at = level
            slopes.append((ahead - denoise(denoiser, ahead, level)) / level)
        later = [level / (len(slopes) * visited[0]) for level in visited[index + 1 : index + len(slopes)]]
        slope = (1 - sum(later)) * slopes[0]
        for weight, other in zip(later, slopes[1:], strict=True):
            slope = slope + weight * other
        x = x + (visited[index + 1] - raised) * slope
        yield Move(x, denoised, sigma)
