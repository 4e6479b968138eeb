"""DPM-Solver++(2M): multistep, of second order; for the probability flow, for the reverse diffusion, and with CFG++."""

import math
from collections.abc import Iterator
from typing import Literal

from torch import Tensor

from nodeflow.diffusion.errors import SamplerError
from nodeflow.diffusion.protocols import Denoiser
from nodeflow.diffusion.sampling.noise import Noise
from nodeflow.diffusion.sampling.solvers.exponential import phi
from nodeflow.diffusion.sampling.solvers.step import Move, denoise, denoise_both, levels_in_pairs


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


def dpmpp_2m_cfg_pp(denoiser: Denoiser, x: Tensor, sigmas: Tensor, _noise: Noise) -> Iterator[Move]:
    """DPM-Solver++(2M) with CFG++ (Chung et al. 2024, 2406.08070).

    To the guided picture and back in the direction `x - U` of the noise that the negative side sees. The correction of
    second order compares the guided picture with the negative one of the step before, as in ComfyUI.
    """
    previous: Tensor | None = None
    step_before = 0.0
    for sigma, sigma_next in levels_in_pairs(sigmas):
        denoised, negative = denoise_both(denoiser, x, sigma)
        if sigma_next == 0.0:
            x = denoised
        else:
            step = math.log(sigma / sigma_next)
            x = denoised + (sigma_next / sigma) * (x - negative)
            if previous is not None:
                x = x - math.expm1(-step) * step / (2 * step_before) * (denoised - previous)
            step_before = step
        previous = negative
        yield Move(x, denoised, sigma)


def dpmpp_2m_sde(
    denoiser: Denoiser,
    x: Tensor,
    sigmas: Tensor,
    noise: Noise,
    *,
    eta: float = 1.0,
    s_noise: float = 1.0,
    solver_type: Literal["midpoint", "heun"] = "midpoint",
) -> Iterator[Move]:
    """SDE-DPM-Solver++(2M), multistep (Lu et al. 2022, 2211.01095), with the noise of a Brownian path.

    Args:
        denoiser: See `Sampler`, as for the next three.
        x: See there.
        sigmas: See there.
        noise: See there.
        eta: How much of each step is noise; 0 solves the probability flow, 1 the reverse diffusion.
        s_noise: Factor of the noise.
        solver_type: How the change of the picture is weighed: "midpoint" by half of the picture's own weight, as in the
            paper, "heun" by the exact integral of a straight line.

    Raises:
        SamplerError: Another `solver_type`.
    """
    if solver_type not in ("midpoint", "heun"):
        raise SamplerError(f"dpmpp_2m_sde: solver_type {solver_type!r} is unknown; there are midpoint and heun")
    previous: Tensor | None = None
    step_before = 0.0
    for sigma, sigma_next in levels_in_pairs(sigmas):
        denoised = denoise(denoiser, x, sigma)
        if sigma_next == 0.0:
            x = denoised
        else:
            step = math.log(sigma / sigma_next)
            way = (1 + eta) * step
            x = math.exp(-way) * x - math.expm1(-way) * denoised
            if previous is not None:
                weight = -math.expm1(-way) / 2 if solver_type == "midpoint" else way * phi(2, -way)
                x = x + weight * (step / step_before) * (denoised - previous)
            if eta > 0.0:
                spread = math.sqrt(-math.expm1(-2 * eta * step))
                x = x + noise.between(sigma, sigma_next) * (sigma_next * spread * s_noise)
            step_before = step
        previous = denoised
        yield Move(x, denoised, sigma)
