"""Euler's method, deterministic and ancestral."""

from collections.abc import Iterator

from torch import Tensor

from nodeflow.diffusion.protocols import Denoiser
from nodeflow.diffusion.sampling.noise import Noise
from nodeflow.diffusion.sampling.solvers.step import Move, ancestral_split, denoise, levels_in_pairs


def euler(denoiser: Denoiser, x: Tensor, sigmas: Tensor, _noise: Noise) -> Iterator[Move]:
    """Euler's method (Karras et al. 2022, 2206.00364, algorithm 2 without its second-order correction and churn).

    In these variables it is DDIM with eta 0 (Song et al. 2021, 2010.02502, eq. 13), hence also `ddim`.
    """
    for sigma, sigma_next in levels_in_pairs(sigmas):
        denoised = denoise(denoiser, x, sigma)
        x = x + (x - denoised) / sigma * (sigma_next - sigma)
        yield Move(x, denoised, sigma)


def euler_ancestral(denoiser: Denoiser, x: Tensor, sigmas: Tensor, noise: Noise) -> Iterator[Move]:
    """Euler steps below the next level, then noise up to it: DDPM's ancestral sampling with larger steps."""
    for sigma, sigma_next in levels_in_pairs(sigmas):
        denoised = denoise(denoiser, x, sigma)
        down, up = ancestral_split(sigma, sigma_next)
        x = x + (x - denoised) / sigma * (down - sigma)
        if sigma_next > 0.0:
            x = x + noise() * up
        yield Move(x, denoised, sigma)
