"""A sampler and a schedule."""

from collections.abc import Iterator

import torch
from torch import Tensor

from nodeflow.diffusion.protocols import Denoiser
from nodeflow.diffusion.sampling.noise import Noise
from nodeflow.diffusion.sampling.prediction import NoiseLevels
from nodeflow.diffusion.sampling.solvers.step import Move, denoise, levels_in_pairs


def heun(denoiser: Denoiser, x: Tensor, sigmas: Tensor, _noise: Noise) -> Iterator[Move]:
    """Heun's second-order method (Karras et al. 2022, 2206.00364, algorithm 1 without churn)."""
    for sigma, sigma_next in levels_in_pairs(sigmas):
        denoised = denoise(denoiser, x, sigma)
        slope = (x - denoised) / sigma
        ahead = x + slope * (sigma_next - sigma)
        if sigma_next > 0:
            slope = (slope + (ahead - denoise(denoiser, ahead, sigma_next)) / sigma_next) / 2
            ahead = x + slope * (sigma_next - sigma)
        x = ahead
        yield Move(x, denoised, sigma)


def exponential(levels: NoiseLevels, steps: int) -> Tensor:
    """Levels at equal ratios, from the highest to the lowest."""
    ends = torch.tensor([levels.sigma_max, levels.sigma_min]).log()
    falling = torch.linspace(float(ends[0]), float(ends[1]), steps).exp()
    return torch.cat([falling, falling.new_zeros(1)])
