"""Gradient estimation: Euler's method with momentum in the direction."""

from collections.abc import Iterator

from torch import Tensor

from nodeflow.diffusion.protocols import Denoiser
from nodeflow.diffusion.sampling.noise import Noise
from nodeflow.diffusion.sampling.solvers.step import Move, denoise, denoise_both, levels_in_pairs


def gradient_estimation(
    denoiser: Denoiser, x: Tensor, sigmas: Tensor, _noise: Noise, *, gamma: float = 2.0
) -> Iterator[Move]:
    """Gradient estimation (Permenter and Yuan 2024, 2306.04848, algorithm 2, second order).

    The direction `d = (x - D) / sigma` is replaced by `gamma d + (1 - gamma) d_before`.

    Args:
        denoiser: See `Sampler`, as for the next three.
        x: See there.
        sigmas: See there.
        gamma: 1 is Euler's method.
    """
    before: Tensor | None = None
    for sigma, sigma_next in levels_in_pairs(sigmas):
        denoised = denoise(denoiser, x, sigma)
        direction = (x - denoised) / sigma
        if sigma_next == 0.0:
            x = denoised
        else:
            x = x + (sigma_next - sigma) * _estimated(direction, before, gamma)
        before = direction
        yield Move(x, denoised, sigma)


def gradient_estimation_cfg_pp(
    denoiser: Denoiser, x: Tensor, sigmas: Tensor, _noise: Noise, *, gamma: float = 2.0
) -> Iterator[Move]:
    """The same with CFG++ (Chung et al. 2024, 2406.08070, algorithm 1).

    The noise to step along is that of the negative side, from the guided picture.

    Args:
        denoiser: A `TwoSided` denoiser; for the next three see `Sampler`.
        x: See there.
        sigmas: See there.
        gamma: As for `gradient_estimation`; 1 is Euler's method.
    """
    before: Tensor | None = None
    for sigma, sigma_next in levels_in_pairs(sigmas):
        denoised, negative = denoise_both(denoiser, x, sigma)
        direction = (x - negative) / sigma
        if sigma_next == 0.0:
            x = denoised
        else:
            momentum = _estimated(direction, before, gamma) - direction
            x = denoised + sigma_next * direction + (sigma_next - sigma) * momentum
        before = direction
        yield Move(x, denoised, sigma)


def _estimated(direction: Tensor, before: Tensor | None, gamma: float) -> Tensor:
    return direction if before is None else gamma * direction + (1 - gamma) * before
