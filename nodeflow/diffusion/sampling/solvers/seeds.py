"""SEEDS: stochastic exponential solvers that look inside their step."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

from torch import Tensor

from nodeflow.diffusion.errors import SamplerError
from nodeflow.diffusion.protocols import Denoiser
from nodeflow.diffusion.sampling.noise import Noise
from nodeflow.diffusion.sampling.solvers.exponential import phi
from nodeflow.diffusion.sampling.solvers.step import Move, denoise, levels_in_pairs


def seeds_2(
    denoiser: Denoiser,
    x: Tensor,
    sigmas: Tensor,
    noise: Noise,
    *,
    eta: float = 1.0,
    s_noise: float = 1.0,
    r: float = 0.5,
) -> Iterator[Move]:
    """SEEDS-2 for denoised pictures (Gonzalez et al. 2023, 2305.14267).

    Two evaluations a step: with `t = -log sigma` and a step of length h, `exp(-a) x + (1 - exp(-a)) D_mixed` and noise,
    where `a = (1 + eta) h` and D_mixed is `D + (D_r - D) / 2r`.

    Args:
        denoiser: See `Sampler`, as for the next three.
        x: See there.
        sigmas: See there.
        noise: See there; drawn twice a step.
        eta: How much of each step is noise; 0 solves the probability flow, 1 the reverse diffusion.
        s_noise: Factor of the noise.
        r: Where in the step the second evaluation is, between 0 and 1.

    Raises:
        SamplerError: It is not in the step.
    """
    if not 0.0 < r < 1.0:
        raise SamplerError(f"seeds_2: r {r:g} is not between 0 and 1; usual is 0.5")
    for sigma, sigma_next in levels_in_pairs(sigmas):
        denoised = denoise(denoiser, x, sigma)
        if sigma_next == 0.0:
            x = denoised
        else:
            path = _Path(x, denoised, sigma, sigma_next, _Stirring(noise, eta, s_noise))
            middle = denoise(denoiser, path.point(r), path.level(r))
            x = path.point(1.0) + path.share_of_picture(1.0) / (2 * r) * (middle - denoised)
        yield Move(x, denoised, sigma)


def seeds_3(
    denoiser: Denoiser,
    x: Tensor,
    sigmas: Tensor,
    noise: Noise,
    *,
    eta: float = 1.0,
    s_noise: float = 1.0,
    r_1: float = 1 / 3,
    r_2: float = 2 / 3,
) -> Iterator[Move]:
    """SEEDS-3 for denoised pictures (Gonzalez et al. 2023, 2305.14267).

    Three evaluations a step: with `t = -log sigma` and a step of length h,
    `exp(-a) x + (1 - exp(-a)) D + a phi_2(-a) (D_r2 - D) / r_2` and noise, where `a = (1 + eta) h`.

    Args:
        denoiser: See `Sampler`, as for the next three.
        x: See there.
        sigmas: See there.
        noise: See there; drawn three times a step.
        eta: How much of each step is noise; 0 solves the probability flow, 1 the reverse diffusion.
        s_noise: Factor of the noise.
        r_1: Where in the step the second evaluation is, between 0 and 1.
        r_2: Where the third one is, after the second.

    Raises:
        SamplerError: They are not in the step, or not in this order.
    """
    if not 0.0 < r_1 < r_2 < 1.0:
        raise SamplerError(f"seeds_3: r_1 {r_1:g} and r_2 {r_2:g} do not rise between 0 and 1; usual are 1/3 and 2/3")
    for sigma, sigma_next in levels_in_pairs(sigmas):
        denoised = denoise(denoiser, x, sigma)
        if sigma_next == 0.0:
            x = denoised
        else:
            path = _Path(x, denoised, sigma, sigma_next, _Stirring(noise, eta, s_noise))
            second = denoise(denoiser, path.point(r_1), path.level(r_1))
            bent = path.point(r_2) + path.share_of_slope(r_2) * r_2 / r_1 * (second - denoised)
            third = denoise(denoiser, bent, path.level(r_2))
            x = path.point(1.0) + path.share_of_slope(1.0) / r_2 * (third - denoised)
        yield Move(x, denoised, sigma)


@dataclass(frozen=True, slots=True)
class _Stirring:
    """Where noise comes from, and how much."""

    noise: Noise
    eta: float
    s_noise: float


class _Path:
    """One step of the reverse diffusion, `dx = (1 + eta) (D - x) dt + sqrt(2 eta) sigma dw` in `t = -log sigma`.

    For a D that does not change it is solved exactly: x moves towards it, and the noise, over sigma, is an
    Ornstein-Uhlenbeck process. Points are told by their share r of the step and asked for in order: each goes on with
    the noise of those before, so that all lie on one path.
    """

    def __init__(self, x: Tensor, denoised: Tensor, sigma: float, sigma_next: float, stirring: _Stirring) -> None:
        self._ends = (x, denoised)
        self._sigma = sigma
        self._length = math.log(sigma / sigma_next)
        self._stirring = stirring
        self._at = 0.0
        self._noise: Tensor | None = None

    def level(self, r: float) -> float:
        """The noise level there."""
        return self._sigma * math.exp(-r * self._length)

    def share_of_picture(self, r: float) -> float:
        """How far x has moved to the denoised picture."""
        return -math.expm1(-(1 + self._stirring.eta) * r * self._length)

    def share_of_slope(self, r: float) -> float:
        """How far it has followed a picture that has changed by 1 when r is reached, from 0 on a straight line."""
        way = (1 + self._stirring.eta) * r * self._length
        return way * phi(2, -way)

    def point(self, r: float) -> Tensor:
        """Where x is for a picture that does not change."""
        x, denoised = self._ends
        moved = self.share_of_picture(r)
        arrived = (1 - moved) * x + moved * denoised
        if self._stirring.eta == 0.0 or self._stirring.s_noise == 0.0:
            return arrived
        return arrived + self.level(r) * self._stirring.s_noise * self._stirred(r)

    def _stirred(self, r: float) -> Tensor:
        """The noise over sigma."""
        way = self._stirring.eta * (r - self._at) * self._length
        fresh = math.sqrt(-math.expm1(-2 * way)) * self._stirring.noise()
        self._noise = fresh if self._noise is None else math.exp(-way) * self._noise + fresh
        self._at = r
        return self._noise
