"""PLMS, the multistep sampler of the first Stable Diffusion."""

from collections.abc import Iterator

from torch import Tensor

from nodeflow.diffusion.protocols import Denoiser
from nodeflow.diffusion.sampling.noise import Noise
from nodeflow.diffusion.sampling.solvers.ipndm import ADAMS_BASHFORTH
from nodeflow.diffusion.sampling.solvers.step import Move, denoise, levels_in_pairs, weighted


def plms(denoiser: Denoiser, x: Tensor, sigmas: Tensor, _noise: Noise) -> Iterator[Move]:
    """Pseudo linear multistep (Liu et al. 2022, 2202.09778, eq. 9 and 12; the start as in CompVis' stable-diffusion).

    The transfer of eq. 9 is a straight step in these variables, and eq. 12 Adams-Bashforth on the direction
    `d = (x - D) / sigma`. The first step is a pseudo improved Euler step: it takes the mean of the directions at both
    its ends, so n steps take n + 1 evaluations. CompVis ends at the lowest level it trained on; here the last step goes
    to the denoised picture.
    """
    directions: list[Tensor] = []  # newest first
    for sigma, sigma_next in levels_in_pairs(sigmas):
        denoised = denoise(denoiser, x, sigma)
        directions = [(x - denoised) / sigma, *directions[:3]]
        if sigma_next == 0.0:
            x = denoised
        elif len(directions) == 1:
            ahead = x + (sigma_next - sigma) * directions[0]
            direction_ahead = (ahead - denoise(denoiser, ahead, sigma_next)) / sigma_next
            x = x + (sigma_next - sigma) * (directions[0] + direction_ahead) / 2
        else:
            x = x + (sigma_next - sigma) * weighted(ADAMS_BASHFORTH[len(directions) - 1], directions)
        yield Move(x, denoised, sigma)
