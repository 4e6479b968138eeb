"""SA-Solver: stochastic Adams, a multistep predictor and corrector with noise in a range of levels."""

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise

from torch import Tensor

from nodeflow.diffusion.protocols import Denoiser
from nodeflow.diffusion.sampling.noise import Noise
from nodeflow.diffusion.sampling.solvers.exponential import exact_weights, phi
from nodeflow.diffusion.sampling.solvers.step import Move, denoise, levels_visited, require_order, weighted


def sa_solver(
    denoiser: Denoiser,
    x: Tensor,
    sigmas: Tensor,
    noise: Noise,
    *,
    eta: float = 1.0,
    sde_high: float = math.inf,
    sde_low: float = 0.0,
    s_noise: float = 1.0,
    predictor_order: int = 3,
    corrector_order: int = 4,
    use_pece: bool = False,
    simple_order_2: bool = False,
) -> Iterator[Move]:
    """SA-Solver on denoised pictures (Xue et al. 2023, 2309.05019, eq. 15 and 18).

    With `t = -log sigma` and `a = (1 + tau^2) h`, a step of length h is `exp(-a) x + sum_j b_j D_j` and noise of the
    level `sigma sqrt(1 - exp(-2 tau^2 h))`. The b_j integrate the polynomial through the pictures; the corrector's
    include the picture where the predictor arrived, and it keeps the predictor's noise.

    Args:
        denoiser: See `Sampler`, as for the next three.
        x: See there.
        sigmas: See there.
        noise: See there; drawn once a step within the range.
        eta: tau there, how much of each step is noise: 0 solves the probability flow, 1 the reverse diffusion.
        sde_high: Where tau begins to be `eta`; it is 0 where a step arrives above.
        sde_low: Where that ends.
        s_noise: Factor of the noise.
        predictor_order: Pictures that the predictor looks at, 1 to 6.
        corrector_order: Pictures that the corrector looks at, up to 6; 0 leaves it out.
        use_pece: Evaluate once more where the corrector arrived.
        simple_order_2: Weights of order 2 are the simple ones of the paper's appendix D.

    Raises:
        ValueRuleError: Another order.
    """
    require_order("sa_solver", "predictor_order", predictor_order, range(1, 7))
    require_order("sa_solver", "corrector_order", corrector_order, range(7))
    visited = levels_visited(sigmas)
    steps = len(visited) - 1
    to_zero = visited[-1] == 0.0
    pictures: list[Tensor] = []  # newest first
    arrived = x
    step: _Step | None = None
    for index, (sigma, sigma_next) in enumerate(pairwise(visited)):
        left = steps - index if to_zero else steps + 1  # lower orders towards the end
        denoised = denoise(denoiser, arrived, sigma)
        pictures = [denoised, *pictures[: max(predictor_order, corrector_order) - 1]]
        recent = visited[: index + 1][::-1]
        used = min(corrector_order, len(pictures), left)
        if step is None or used == 0 or (sigma_next == 0.0 and not use_pece):
            x = arrived
        else:
            x = step.taken(recent[:used], pictures[:used])
            if use_pece:
                denoised = pictures[0] = denoise(denoiser, x, sigma)
        if sigma_next == 0.0:
            arrived = denoised
        else:
            tau = eta if sde_low <= sigma_next <= sde_high else 0.0
            step = _Step(x, sigma, sigma_next, tau, s_noise, noise, simple_order_2)
            used = min(predictor_order, len(pictures), left - 1)
            arrived = step.taken(recent[:used], pictures[:used])
        yield Move(arrived, denoised, sigma)


class _Step:
    """One step of the reverse diffusion, whose noise is drawn once.

    Args:
        x: Where it begins.
        sigma: Its level.
        sigma_next: Where it ends.
        tau: How much of it is noise.
        s_noise: Factor of the noise.
        noise: See `Sampler`.
        simple: See `simple_order_2` of `sa_solver`.
    """

    def __init__(
        self, x: Tensor, sigma: float, sigma_next: float, tau: float, s_noise: float, noise: Noise, simple: bool
    ) -> None:
        self._sigma = sigma
        self._length = math.log(sigma / sigma_next)
        self._way = (1 + tau**2) * self._length
        self._simple = simple
        self._begin = math.exp(-self._way) * x
        if tau > 0.0 and s_noise > 0.0:
            fresh = sigma_next * math.sqrt(-math.expm1(-2 * tau**2 * self._length))
            self._begin = self._begin + s_noise * fresh * noise()

    def taken(self, levels: Sequence[float], pictures: Sequence[Tensor]) -> Tensor:
        """Where it ends, going by pictures and their levels."""
        nodes = [math.log(self._sigma / level) / self._length for level in levels]  # 0 is its begin, 1 its end
        moments = [math.factorial(power) * phi(power + 1, -self._way) for power in range(len(nodes))]
        if self._simple and len(nodes) == 2:
            moments[1] = 0.5
        weights = [self._way * weight for weight in exact_weights(nodes, moments)]
        return self._begin + weighted(weights, pictures)
