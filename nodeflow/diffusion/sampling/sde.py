"""Stochastic samplers: solvers that add fresh noise at every step."""

import math
from collections.abc import Iterator

from torch import Tensor

from nodeflow.diffusion.sampling.noise import NoiseSource
from nodeflow.diffusion.sampling.ode import Move, denoise, levels_in_pairs
from nodeflow.diffusion.sampling.prediction import Denoiser


def ancestral_split(sigma: float, sigma_next: float, eta: float = 1.0) -> tuple[float, float]:
    """Splits a step into the level to go down to and that of the noise added after; DDPM's posterior, eq. 7."""
    up = min(sigma_next, eta * math.sqrt(sigma_next**2 * (sigma**2 - sigma_next**2) / sigma**2))
    return math.sqrt(sigma_next**2 - up**2), up


def euler_ancestral(denoiser: Denoiser, x: Tensor, sigmas: Tensor, noise: NoiseSource) -> Iterator[Move]:
    """Euler steps below the next level, then noise up to it: DDPM's ancestral sampling with larger steps."""
    for sigma, sigma_next in levels_in_pairs(sigmas):
        denoised = denoise(denoiser, x, sigma)
        down, up = ancestral_split(sigma, sigma_next)
        x = x + (x - denoised) / sigma * (down - sigma)
        if sigma_next > 0.0:
            x = x + noise() * up
        yield Move(x, denoised, sigma)
