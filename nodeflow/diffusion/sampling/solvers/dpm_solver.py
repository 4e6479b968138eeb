"""Steps of DPM-Solver of orders one to three, from one level to another."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

from torch import Tensor

from nodeflow.diffusion.protocols import Denoiser
from nodeflow.diffusion.sampling.solvers.exponential import phi
from nodeflow.diffusion.sampling.solvers.step import Move, ancestral_split, denoise


@dataclass(frozen=True, slots=True)
class Span:
    """A step to be taken.

    Attributes:
        start: The level it comes from.
        end: The level it goes down to.
        up: How much noise is added after that.
    """

    start: float
    end: float
    up: float = 0.0

    @classmethod
    def split(cls, sigma: float, sigma_next: float, last: float, eta: float) -> "Span":
        """A step with noise, see `euler_ancestral`, that does not go below the last level of the run."""
        if eta == 0.0:
            return cls(sigma, sigma_next)
        end = max(ancestral_split(sigma, sigma_next, eta)[0], last)
        return cls(sigma, end, math.sqrt(max(sigma_next**2 - end**2, 0.0)))

    def level(self, r: float) -> float:
        """The level at a share of the step, in log sigma."""
        return self.start * math.pow(self.end / self.start, r)

    def length(self, r: float) -> float:
        """How far a share of the step is in sigma: what the direction at the start is multiplied by, negative."""
        return self.level(r) - self.start

    def bend(self, r: float) -> float:
        """The integral of a direction that has changed by 1 at share r, from 0 on a straight line in log sigma."""
        way = r * math.log(self.start / self.end)
        return -self.level(r) * way * phi(2, way)


def second_order(x: Tensor, first: Tensor, second: Tensor, span: Span, r: float) -> Tensor:
    """DPM-Solver-2 (Lu et al. 2022, 2206.00927, algorithm 1, there with r = 1/2).

    Args:
        x: Where the step starts.
        first: The direction there.
        second: The direction at share `r`.
        span: The step.
        r: Where the second direction is known, 0 to 1.
    """
    return x + span.length(1.0) * (first + (second - first) / (2 * r))


def stages(denoiser: Denoiser, x: Tensor, span: Span, order: int, known: Tensor | None = None) -> Iterator[Move]:
    """One step of DPM-Solver-1, -2 or -3 (2206.00927, section 3), as a move for each evaluation.

    The first moves arrive inside the step, where the next evaluation is; the last one at its end. What the denoiser
    gives at the start is evaluated unless it is known.
    """
    denoised = denoise(denoiser, x, span.start) if known is None else known
    first = (x - denoised) / span.start
    if order == 1:
        yield Move(x + span.length(1.0) * first, denoised, span.start)
        return
    r = 1 / order
    inside = x + span.length(r) * first
    yield Move(inside, denoised, span.start)
    denoised = denoise(denoiser, inside, span.level(r))
    second = (inside - denoised) / span.level(r)
    if order == 2:
        yield Move(second_order(x, first, second, span, r), denoised, span.level(r))
        return
    further = x + span.length(2 / 3) * first + 2 * span.bend(2 / 3) * (second - first)
    yield Move(further, denoised, span.level(r))
    denoised = denoise(denoiser, further, span.level(2 / 3))
    third = (further - denoised) / span.level(2 / 3)
    yield Move(x + span.length(1.0) * first + 1.5 * span.bend(1.0) * (third - first), denoised, span.level(2 / 3))
