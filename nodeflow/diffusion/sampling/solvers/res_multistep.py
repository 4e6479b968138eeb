"""RES: an exponential multistep solver of second order, deterministic and ancestral."""

import math
from collections.abc import Callable, Iterator

from torch import Tensor

from nodeflow.diffusion.protocols import Both, Denoiser
from nodeflow.diffusion.sampling.noise import Noise
from nodeflow.diffusion.sampling.solvers.exponential import phi
from nodeflow.diffusion.sampling.solvers.step import Move, ancestral_split, denoise, denoise_both, levels_in_pairs


def res_multistep(
    denoiser: Denoiser, x: Tensor, sigmas: Tensor, noise: Noise, *, eta: float = 0.0, s_noise: float = 1.0
) -> Iterator[Move]:
    """Refined exponential solver, multistep and of second order (Zhang et al. 2023, 2308.02157).

    With `t = -log sigma` and the picture before at `c` times the step h, a step is
    `exp(-h) x + h ((phi_1 - phi_2 / c) D + phi_2 / c D_before)`, both phi at -h.

    Args:
        denoiser: See `Sampler`, as for the next three.
        x: See there.
        sigmas: See there.
        noise: See there; not drawn where `eta` is 0.
        eta: Share of DDPM's noise in each step, `res_multistep_ancestral` where it is 1. As in other engines, the step
            before is then taken to have ended where its noise was added.
        s_noise: Factor of the noise.
    """

    def evaluate(x: Tensor, sigma: float) -> Both:
        denoised = denoise(denoiser, x, sigma)
        return Both(denoised, denoised)

    return _solve(evaluate, x, sigmas, noise, eta, s_noise)


def res_multistep_cfg_pp(
    denoiser: Denoiser, x: Tensor, sigmas: Tensor, noise: Noise, *, eta: float = 0.0, s_noise: float = 1.0
) -> Iterator[Move]:
    """The same with CFG++ (Chung et al. 2024, 2406.08070, algorithm 1): noise is that of the negative side.

    A step is one along the negative side, from x moved by what guidance changes about the picture.

    Args:
        denoiser: A `TwoSided` denoiser; for the next three see `Sampler`.
        x: See there.
        sigmas: See there.
        noise: See there; not drawn where `eta` is 0.
        eta: As for `res_multistep`.
        s_noise: Factor of the noise.
    """
    return _solve(lambda x, sigma: denoise_both(denoiser, x, sigma), x, sigmas, noise, eta, s_noise)


def _solve(
    evaluate: Callable[[Tensor, float], Both], x: Tensor, sigmas: Tensor, noise: Noise, eta: float, s_noise: float
) -> Iterator[Move]:
    before: Tensor | None = None
    length_before = 0.0
    for sigma, sigma_next in levels_in_pairs(sigmas):
        denoised, negative = evaluate(x, sigma)
        down, up = ancestral_split(sigma, sigma_next, eta)
        if before is None or down == 0.0:
            x = denoised + down / sigma * (x - negative)
        else:
            h = math.log(sigma / down)
            place = -length_before / h  # c: where in this step the picture before is
            share = phi(2, -h) / place
            x = math.exp(-h) * (x + (denoised - negative)) + h * ((phi(1, -h) - share) * negative + share * before)
        if up > 0.0:
            x = x + s_noise * up * noise()
        before = negative
        length_before = math.log(sigma / down) if down > 0.0 else math.inf
        yield Move(x, denoised, sigma)
