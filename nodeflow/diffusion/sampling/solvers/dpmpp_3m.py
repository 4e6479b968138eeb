"""SDE-DPM-Solver++(3M): multistep, of third order, for the reverse diffusion."""

import math
from collections.abc import Iterator

from torch import Tensor

from nodeflow.diffusion.protocols import Denoiser
from nodeflow.diffusion.sampling.noise import Noise
from nodeflow.diffusion.sampling.solvers.exponential import phi
from nodeflow.diffusion.sampling.solvers.step import Move, denoise, levels_in_pairs


def dpmpp_3m_sde(
    denoiser: Denoiser, x: Tensor, sigmas: Tensor, noise: Noise, *, eta: float = 1.0, s_noise: float = 1.0
) -> Iterator[Move]:
    """SDE-DPM-Solver++(3M), multistep (k-diffusion; Lu et al. 2022, 2211.01095, for the reverse diffusion).

    The pictures of three steps are joined by a parabola, two by a line, and that is integrated exactly. Noise from a
    Brownian path. Arguments as in `dpmpp_2m_sde`.
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
            if slope is not None:
                x = x + way * phi(2, -way) * slope
            if bend is not None:
                x = x + way**2 * phi(3, -way) * bend
            if eta > 0.0:
                spread = math.sqrt(-math.expm1(-2 * eta * step))
                x = x + noise.between(sigma, sigma_next) * (sigma_next * spread * s_noise)
            pictures, steps = [denoised, *pictures[:1]], [step, *steps[:1]]
        yield Move(x, denoised, sigma)
