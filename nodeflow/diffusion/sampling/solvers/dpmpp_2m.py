"""DPM-Solver++(2M): multistep, of second order."""

import math
from collections.abc import Iterator

from torch import Tensor

from nodeflow.diffusion.protocols import Denoiser
from nodeflow.diffusion.sampling.noise import Noise
from nodeflow.diffusion.sampling.solvers.step import Move, denoise, levels_in_pairs


def dpmpp_2m(denoiser: Denoiser, x: Tensor, sigmas: Tensor, _noise: Noise) -> Iterator[Move]:
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
