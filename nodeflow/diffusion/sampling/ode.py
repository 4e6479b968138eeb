"""Deterministic samplers: solvers of the probability flow ODE (Karras et al. 2022, 2206.00364, eq. 1).

Every sampler is a generator and mathematics only: the denoiser is all it knows of a network.
"""

import math
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import NamedTuple

from torch import Tensor

from nodeflow.diffusion.sampling.noise import NoiseSource
from nodeflow.diffusion.sampling.prediction import Denoiser


class Move(NamedTuple):
    """One step of a sampler.

    Attributes:
        x: [B, C, h, w], where it arrived.
        denoised: [B, C, h, w], the denoiser's guess where it came from.
        sigma: The noise level where it came from.
    """

    x: Tensor
    denoised: Tensor
    sigma: float


Sampler = Callable[[Denoiser, Tensor, Tensor, NoiseSource], Iterator[Move]]
"""(denoiser, noisy latents [B, C, h, w], falling levels [n + 1], noise) to n moves."""


def levels_in_pairs(sigmas: Tensor) -> Iterator[tuple[float, float]]:
    """Each level with the next."""
    return pairwise([float(sigma) for sigma in sigmas])


def denoise(denoiser: Denoiser, x: Tensor, sigma: float) -> Tensor:
    """Calls the denoiser with one level for all rows."""
    return denoiser(x, x.new_full((len(x),), sigma))


def euler(denoiser: Denoiser, x: Tensor, sigmas: Tensor, _noise: NoiseSource) -> Iterator[Move]:
    """Euler's method (2206.00364, algorithm 2 without its second-order correction and churn).

    In these variables it is DDIM with eta 0 (Song et al. 2021, 2010.02502, eq. 13), hence also `ddim`.
    """
    for sigma, sigma_next in levels_in_pairs(sigmas):
        denoised = denoise(denoiser, x, sigma)
        x = x + (x - denoised) / sigma * (sigma_next - sigma)
        yield Move(x, denoised, sigma)


def dpmpp_2m(denoiser: Denoiser, x: Tensor, sigmas: Tensor, _noise: NoiseSource) -> Iterator[Move]:
    """DPM-Solver++(2M), multistep and of second order (Lu et al. 2022, 2211.01095, algorithm 2)."""
    previous: Tensor | None = None
    step_before = 0.0
    for sigma, sigma_next in levels_in_pairs(sigmas):
        denoised = denoise(denoiser, x, sigma)
        if sigma_next == 0.0:
            x = denoised
        else:
            step = math.log(sigma / sigma_next)  # h, a difference of half log-SNRs
            guess = denoised
            if previous is not None:
                ratio = step_before / step
                guess = (1 + 1 / (2 * ratio)) * denoised - 1 / (2 * ratio) * previous
            x = (sigma_next / sigma) * x - math.expm1(-step) * guess
            step_before = step
        previous = denoised
        yield Move(x, denoised, sigma)
