"""Euler's method, deterministic and ancestral, and its CFG++ forms."""

import math
from collections.abc import Iterator

from torch import Tensor

from nodeflow.diffusion.protocols import Denoiser
from nodeflow.diffusion.sampling.noise import Noise
from nodeflow.diffusion.sampling.solvers.churn import Churn
from nodeflow.diffusion.sampling.solvers.step import (
    Move,
    ancestral_split,
    denoise,
    denoise_both,
    levels_in_pairs,
    levels_visited,
)


def euler(
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
    """Euler's method (Karras et al. 2022, 2206.00364, algorithm 2, first order alone).

    In these variables it is DDIM with eta 0 (Song et al. 2021, 2010.02502, eq. 13), hence also `ddim`.

    Args:
        denoiser: See `Sampler`, as for the next three.
        x: See there.
        sigmas: See there.
        noise: See there; drawn where there is churn.
        s_churn: See `Churn`, as for the next three.
        s_tmin: See there.
        s_tmax: See there.
        s_noise: See there.
    """
    churn = Churn(noise, len(levels_visited(sigmas)) - 1, s_churn, s_tmin, s_tmax, s_noise)
    for sigma, sigma_next in levels_in_pairs(sigmas):
        x, raised = churn(x, sigma)
        denoised = denoise(denoiser, x, raised)
        x = x + (x - denoised) / raised * (sigma_next - raised)
        yield Move(x, denoised, sigma)


def euler_ancestral(
    denoiser: Denoiser, x: Tensor, sigmas: Tensor, noise: Noise, *, eta: float = 1.0, s_noise: float = 1.0
) -> Iterator[Move]:
    """Euler steps below the next level, then noise up to it: DDPM's ancestral sampling with larger steps.

    Args:
        denoiser: See `Sampler`, as for the next three.
        x: See there.
        sigmas: See there.
        noise: See there.
        eta: How much of each step is noise; 0 is `euler`, 1 the posterior of DDPM (2006.11239, eq. 7).
        s_noise: Factor of the noise.
    """
    for sigma, sigma_next in levels_in_pairs(sigmas):
        denoised = denoise(denoiser, x, sigma)
        down, up = ancestral_split(sigma, sigma_next, eta)
        if down == 0.0:
            x = denoised
        else:
            x = x + (x - denoised) / sigma * (down - sigma) + noise() * (s_noise * up)
        yield Move(x, denoised, sigma)


def euler_ancestral_flow(
    denoiser: Denoiser, x: Tensor, sigmas: Tensor, noise: Noise, *, eta: float = 1.0, s_noise: float = 1.0
) -> Iterator[Move]:
    """`euler_ancestral` for flow models, `x = (1 - sigma) x0 + sigma noise` (Lipman et al. 2023, 2210.02747).

    The level below is `sigma' (1 + eta (sigma' / sigma - 1))`. From there the picture is scaled to its share at the
    next level, and noise makes up the rest of that level's variance. Arguments as in `euler_ancestral`.
    """
    for sigma, sigma_next in levels_in_pairs(sigmas):
        denoised = denoise(denoiser, x, sigma)
        if sigma_next == 0.0:
            x = denoised
        else:
            down = sigma_next * (1 + eta * (sigma_next / sigma - 1))
            share = (1 - sigma_next) / (1 - down)
            x = x + (x - denoised) / sigma * (down - sigma)
            if eta > 0.0:
                x = share * x + noise() * (s_noise * math.sqrt(max(sigma_next**2 - (share * down) ** 2, 0.0)))
        yield Move(x, denoised, sigma)


def euler_cfg_pp(denoiser: Denoiser, x: Tensor, sigmas: Tensor, noise: Noise) -> Iterator[Move]:
    """DDIM with CFG++ (Chung et al. 2024, 2406.08070, algorithm 2): `euler_ancestral_cfg_pp` without its noise."""
    return euler_ancestral_cfg_pp(denoiser, x, sigmas, noise, eta=0.0)


def euler_ancestral_cfg_pp(
    denoiser: Denoiser, x: Tensor, sigmas: Tensor, noise: Noise, *, eta: float = 1.0, s_noise: float = 1.0
) -> Iterator[Move]:
    """DDIM with noise and CFG++ (Chung et al. 2024, 2406.08070, algorithm 2): to the guided picture, and back.

    The way back to the next level is in the direction of the noise that the negative side sees, `x' = D + sigma' (x -
    U) / sigma`. The scale of guidance is that of other samplers, 1 being the paper's lambda of 1.
    Arguments as in `euler_ancestral`.
    """
    for sigma, sigma_next in levels_in_pairs(sigmas):
        denoised, negative = denoise_both(denoiser, x, sigma)
        if sigma_next == 0.0:
            x = denoised
        else:
            down, up = ancestral_split(sigma, sigma_next, eta)
            x = denoised + (x - negative) * (down / sigma)
            if eta > 0.0:
                x = x + noise() * (s_noise * up)
        yield Move(x, denoised, sigma)
