"""UniPC: a multistep predictor, and a corrector that costs no evaluation."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from torch import Tensor

from nodeflow.diffusion.protocols import Denoiser
from nodeflow.diffusion.sampling.noise import Noise
from nodeflow.diffusion.sampling.solvers.exponential import exact_weights, phi
from nodeflow.diffusion.sampling.solvers.step import Move, denoise, levels_visited, require_order, weighted

_LOWEST = 0.001
"""Where a run to 0 ends: the half log-SNR has no end there."""


def uni_pc(
    denoiser: Denoiser, x: Tensor, sigmas: Tensor, _noise: Noise, *, max_order: int = 3, exponential: bool = False
) -> Iterator[Move]:
    """UniPC on denoised pictures (Zhao et al. 2023, 2302.04867, eq. 3 in data prediction).

    With `t = -log sigma`, a step of length h is `exp(-h) x + (1 - exp(-h)) D - B(-h) sum_m a_m (D_m - D) / r_m`, where
    D_m is the picture at r_m of the step, and the a_m solve the paper's condition for the order.

    The order is lower at the start, at the end, and in runs of few steps; the last step is not corrected. A run to 0
    ends at level 0.001. Each move arrives at what is predicted; the next evaluation there corrects it.

    Args:
        denoiser: See `Sampler`, as for the next three.
        x: See there.
        sigmas: See there.
        max_order: Pictures looked at, 1 to 3.
        exponential: B(h) of the paper is exp(h) - 1 (bh2) instead of h (bh1).

    Raises:
        ValueRuleError: Another order.
    """
    require_order("uni_pc", "max_order", max_order, range(1, 4))
    visited = levels_visited(sigmas)
    if visited[-1] == 0.0:
        visited[-1] = min(_LOWEST, visited[-2] / 2)
    steps = len(visited) - 1
    order = max(1, min(max_order, steps - 1))
    pictures: list[Tensor] = []  # newest first
    before: _Step | None = None
    for index, (sigma, sigma_next) in enumerate(pairwise(visited)):
        denoised = denoise(denoiser, x, sigma)
        if before is not None:
            x = before.corrected(denoised)
        pictures = [denoised, *pictures[: order - 1]]
        used = min(order, index + 1, steps - index)
        known = visited[index + 1 - used : index + 1][::-1]
        before = _Step(x, pictures[:used], known, sigma_next, exponential)
        x = before.predicted()
        yield Move(x, denoised, sigma)


@dataclass(frozen=True, slots=True)
class _Step:
    """One step, in `t = -log sigma`.

    Attributes:
        x: Where it begins.
        pictures: Denoised pictures there and before, newest first.
        known: Their levels.
        sigma_next: Where it ends.
        exponential: See `uni_pc`.
    """

    x: Tensor
    pictures: Sequence[Tensor]
    known: Sequence[float]
    sigma_next: float
    exponential: bool

    def predicted(self) -> Tensor:
        """Where it ends, going by the pictures so far (UniP)."""
        nodes, moments = self._nodes(), self._moments()
        weights = [0.5] if len(nodes) == 1 else exact_weights(nodes, moments[:-1]) if nodes else []
        return self._arrived(nodes, weights, self.pictures[1:])

    def corrected(self, denoised: Tensor) -> Tensor:
        """Where it ends, going by the picture there too (UniC)."""
        nodes = [*self._nodes(), 1.0]
        weights = [0.5] if len(nodes) == 1 else exact_weights(nodes, self._moments())
        return self._arrived(nodes, weights, [*self.pictures[1:], denoised])

    @property
    def _length(self) -> float:
        return math.log(self.known[0] / self.sigma_next)

    @property
    def _scale(self) -> float:
        """B(-h) of the paper."""
        return math.expm1(-self._length) if self.exponential else -self._length

    def _nodes(self) -> list[float]:
        """Where in the step the pictures before it are: 0 is its begin, 1 its end."""
        return [math.log(self.known[0] / level) / self._length for level in self.known[1:]]

    def _moments(self) -> list[float]:
        h = self._length
        orders = range(1, len(self.known) + 1)
        return [math.factorial(order) * -h * phi(order + 1, -h) / self._scale for order in orders]

    def _arrived(self, nodes: Sequence[float], weights: Sequence[float], others: Sequence[Tensor]) -> Tensor:
        newest = self.pictures[0]
        x = self.sigma_next / self.known[0] * self.x - math.expm1(-self._length) * newest
        if not others:
            return x
        slopes = [(other - newest) / node for other, node in zip(others, nodes, strict=True)]
        return x - self._scale * weighted(weights, slopes)
