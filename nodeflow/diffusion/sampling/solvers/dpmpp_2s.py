"""DPM-Solver++(2S): single-step, of second order, with noise; and its CFG++ form."""

import math
from collections.abc import Iterator

from torch import Tensor

from nodeflow.diffusion.protocols import Denoiser
from nodeflow.diffusion.sampling.noise import Noise
from nodeflow.diffusion.sampling.solvers.step import Move, ancestral_split, denoise, denoise_both, levels_in_pairs


def dpmpp_2s_ancestral(
    denoiser: Denoiser, x: Tensor, sigmas: Tensor, noise: Noise, *, eta: float = 1.0, s_noise: float = 1.0
) -> Iterator[Move]:
    """DPM-Solver++(2S) below the next level, then noise up to it (Lu et al. 2022, 2211.01095, algorithm 1, r = 1/2).

    Two evaluations a step, one where it goes to 0. Arguments as in `euler_ancestral`.
    """
    for sigma, sigma_next in levels_in_pairs(sigmas):
        denoised = denoise(denoiser, x, sigma)
        down, up = ancestral_split(sigma, sigma_next, eta)
        if down == 0.0:
            x = denoised
        else:
            middle = math.sqrt(sigma * down)
            halfway = _towards(x, denoised, middle / sigma)
            x = _towards(x, denoise(denoiser, halfway, middle), down / sigma)
        if sigma_next > 0.0:
            x = x + noise() * (s_noise * up)
        yield Move(x, denoised, sigma)


def dpmpp_2s_ancestral_cfg_pp(
    denoiser: Denoiser, x: Tensor, sigmas: Tensor, noise: Noise, *, eta: float = 1.0, s_noise: float = 1.0
) -> Iterator[Move]:
    """`dpmpp_2s_ancestral` with CFG++ (Chung et al. 2024, 2406.08070).

    The noise of x is what the negative side sees, `x - U`, so each part of the step starts from `D + (x - U)`. In the
    second part U is that of the middle while D is still that of the start, as in ComfyUI, whose pictures these are; so
    it is not `dpmpp_2s_ancestral` even where both sides are one. Arguments as in `euler_ancestral`.
    """
    for sigma, sigma_next in levels_in_pairs(sigmas):
        denoised, negative = denoise_both(denoiser, x, sigma)
        down, up = ancestral_split(sigma, sigma_next, eta)
        if down == 0.0:
            x = denoised
        else:
            middle = math.sqrt(sigma * down)
            halfway = _towards(x + (denoised - negative), denoised, middle / sigma)
            between, negative = denoise_both(denoiser, halfway, middle)
            x = _towards(x + (denoised - negative), between, down / sigma)
        if sigma_next > 0.0:
            x = x + noise() * (s_noise * up)
        yield Move(x, denoised, sigma)


def _towards(x: Tensor, denoised: Tensor, ratio: float) -> Tensor:
    """The exact way to a level `ratio` times as high, if the denoised picture stays as it is."""
    return ratio * x + (1 - ratio) * denoised
