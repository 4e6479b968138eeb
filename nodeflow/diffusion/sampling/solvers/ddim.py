"""DDIM with a choice of how much of each step is noise."""

from collections.abc import Iterator

from torch import Tensor

from nodeflow.diffusion.protocols import Denoiser
from nodeflow.diffusion.sampling.noise import Noise
from nodeflow.diffusion.sampling.solvers.step import Move, ancestral_split, denoise, levels_in_pairs


def ddim(denoiser: Denoiser, x: Tensor, sigmas: Tensor, noise: Noise, *, eta: float = 0.0) -> Iterator[Move]:
    """Denoising diffusion implicit models (Song et al. 2021, 2010.02502, eq. 12 and 16).

    With alpha = 1 / (1 + sigma^2), and x divided by its root, eq. 12 is the picture plus the direction to x at a lower
    level, and noise of the level of eq. 16: an Euler step, or with `eta` 1 an ancestral one, which is DDPM's.

    Args:
        denoiser: See `Sampler`, as for the next three.
        x: See there.
        sigmas: See there.
        noise: See there; not drawn where `eta` is 0.
        eta: Share of the noise of DDPM's posterior that is drawn anew in each step.
    """
    for sigma, sigma_next in levels_in_pairs(sigmas):
        denoised = denoise(denoiser, x, sigma)
        down, up = ancestral_split(sigma, sigma_next, eta)
        x = x + (x - denoised) / sigma * (down - sigma)
        if up > 0.0:
            x = x + up * noise()
        yield Move(x, denoised, sigma)
