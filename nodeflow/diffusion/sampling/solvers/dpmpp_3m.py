"""SDE-DPM-Solver++(3M): multistep, of third order, for the reverse diffusion."""

import math
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from nodeflow.diffusion.protocols import Denoiser
from nodeflow.diffusion.sampling.noise import Noise
from nodeflow.diffusion.sampling.solvers.exponential import phi
from nodeflow.diffusion.sampling.solvers.step import Move, denoise, levels_in_pairs


def dpmpp_3m_sde(
    denoiser: Denoiser, x: Tensor, sigmas: Tensor, noise: Noise, *, eta: float = 1.0, s_noise: float = 1.0
) -> Iterator[Move]:
    """SDE-DPM-Solver++(3M), multistep (k-diffusion; Lu et al. 2022, 2211.01095, for the reverse diffusion).

    The picture is taken to change as its last three values tell, or two in the second step. Noise is from a Brownian
    path. The bend counts as `phi_3` times the second divided difference, half of what the integral of a parabola has,
    here as in all implementations; so the order is two. Arguments as in `dpmpp_2m_sde`.
    """
    pictures: list[Tensor] = []  # of the steps before, newest first
    steps: list[float] = []
    for sigma, sigma_next in levels_in_pairs(sigmas):
        denoised = denoise(denoiser, x, sigma)
        if sigma_next == 0.0:
            x = denoised
        else:
            step = math.log(sigma / sigma_next)
            way = (1 + eta) * step
            x = math.exp(-way) * x - math.expm1(-way) * denoised
            slope, bend = _changes([denoised, *pictures], [each / step for each in steps])
            x = x + way * phi(2, -way) * slope + way * phi(3, -way) * bend
            if eta > 0.0:
                spread = math.sqrt(-math.expm1(-2 * eta * step))
                x = x + noise.between(sigma, sigma_next) * (sigma_next * spread * s_noise)
            pictures, steps = [denoised, *pictures[:1]], [step, *steps[:1]]
        yield Move(x, denoised, sigma)


def _changes(pictures: Sequence[Tensor], before: Sequence[float]) -> tuple[Tensor, Tensor]:
    """How the picture changes, in units of the next step.

    Args:
        pictures: The newest first, one to three.
        before: Lengths of the steps between them over that of the next step, newest first.

    Returns:
        Its slope now, and its second divided difference; 0 where too little is known.
    """
    none = torch.zeros_like(pictures[0])
    differences = [(new - old) / length for new, old, length in zip(pictures, pictures[1:], before, strict=False)]
    if not differences:
        return none, none
    if len(differences) == 1:
        return differences[0], none
    bend = (differences[0] - differences[1]) / (before[0] + before[1])
    return differences[0] + before[0] * bend, bend
