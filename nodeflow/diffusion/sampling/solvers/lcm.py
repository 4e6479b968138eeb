"""Sampling of latent consistency models."""

from collections.abc import Iterator

from torch import Tensor

from nodeflow.diffusion.protocols import Denoiser
from nodeflow.diffusion.sampling.noise import Noise
from nodeflow.diffusion.sampling.solvers.step import Move, denoise, levels_in_pairs


def lcm(denoiser: Denoiser, x: Tensor, sigmas: Tensor, noise: Noise) -> Iterator[Move]:
    """Multistep consistency sampling (Luo et al. 2023, 2310.04378, algorithm 3): `D + sigma_next noise`."""
    for sigma, sigma_next in levels_in_pairs(sigmas):
        denoised = denoise(denoiser, x, sigma)
        x = denoised if sigma_next == 0.0 else denoised + sigma_next * noise()
        yield Move(x, denoised, sigma)
