"""DPM-Solver++ for the reverse diffusion itself: single-step, with noise from one Brownian path."""

from collections.abc import Iterator

import torch
from torch import Tensor

from nodeflow.diffusion.errors import SamplerError
from nodeflow.diffusion.protocols import Denoiser
from nodeflow.diffusion.sampling.noise import Noise
from nodeflow.diffusion.sampling.solvers.step import Move, ancestral_split, denoise, levels_in_pairs


def dpmpp_sde(
    denoiser: Denoiser,
    x: Tensor,
    sigmas: Tensor,
    noise: Noise,
    *,
    eta: float = 1.0,
    s_noise: float = 1.0,
    r: float = 0.5,
) -> Iterator[Move]:
    """DPM-Solver++(2S) on the way down, with the noise of a Brownian path (k-diffusion; Lu et al. 2022, 2211.01095).

    Both parts of a step start from where the step does: one to a level in between, where the picture is guessed again,
    and one with both guesses to the next level. Each goes below its level and takes the path's increment up to it.
    Two evaluations a step, one where it goes to 0.

    Args:
        denoiser: See `Sampler`, as for the next three.
        x: See there.
        sigmas: See there.
        noise: See there.
        eta: How much of each step is noise, see `euler_ancestral`.
        s_noise: Factor of the noise.
        r: Where in the step the second evaluation is, in log sigma, above 0.

    Raises:
        SamplerError: `r` is not above 0.
    """
    if not r > 0.0:
        raise SamplerError(f"dpmpp_sde: r {r:g} is not above 0; usual is 0.5, the middle of a step")
    for sigma, sigma_next in levels_in_pairs(sigmas):
        denoised = denoise(denoiser, x, sigma)
        if sigma_next == 0.0:
            x = denoised
        else:
            step = _Step(x, noise, sigma, eta, s_noise)
            middle = _between(sigma, sigma_next, r)
            again = denoise(denoiser, step.to(middle, denoised), middle)
            x = step.to(sigma_next, (1 - 1 / (2 * r)) * denoised + 1 / (2 * r) * again)
        yield Move(x, denoised, sigma)


class _Step:
    """Ways from one place."""

    def __init__(self, x: Tensor, noise: Noise, sigma: float, eta: float, s_noise: float) -> None:
        self._x = x
        self._noise = noise
        self._sigma = sigma
        self._eta = eta
        self._s_noise = s_noise

    def to(self, level: float, denoised: Tensor) -> Tensor:
        """Where a way ends on which the denoised picture stays as it is."""
        down, up = ancestral_split(self._sigma, level, self._eta)
        ratio = down / self._sigma
        arrived = ratio * self._x + (1 - ratio) * denoised
        return arrived + self._noise.between(self._sigma, level) * (self._s_noise * up)


def _between(sigma: float, sigma_next: float, r: float) -> float:
    """The level at share r in log sigma, in float32.

    The Brownian path is known at six digits. Another rounding of the level gives other noise, by a thousandth, so this
    rounds as other engines do.
    """
    start, end = torch.tensor([sigma, sigma_next]).log().neg()
    return float((start + r * (end - start)).neg().exp())
