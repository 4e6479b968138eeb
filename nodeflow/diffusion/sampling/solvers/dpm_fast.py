"""DPM-Solver-fast: as many evaluations as asked for, in steps of third order."""

from collections.abc import Iterator
from itertools import pairwise

from torch import Tensor

from nodeflow.diffusion.protocols import Denoiser
from nodeflow.diffusion.sampling.noise import Noise
from nodeflow.diffusion.sampling.solvers.dpm_solver import Span, stages
from nodeflow.diffusion.sampling.solvers.step import Move, levels_visited


def dpm_fast(
    denoiser: Denoiser, x: Tensor, sigmas: Tensor, noise: Noise, *, eta: float = 0.0, s_noise: float = 1.0
) -> Iterator[Move]:
    """DPM-Solver-fast (Lu et al. 2022, 2206.00927, section 3.4): steps of equal ratio, of third order but for the last.

    Of the levels only the first, the last above 0 and their number count, and it ends at that last level: the noise of
    it stays, with one step all of it. There are as many evaluations as steps asked for, and a move for each.

    Args:
        denoiser: See `Sampler`, as for the next three.
        x: See there.
        sigmas: See there.
        noise: See there.
        eta: How much of each step is noise, see `euler_ancestral`.
        s_noise: Factor of the noise.
    """
    visited = levels_visited(sigmas)
    evaluations = len(visited) - 1
    start, end = visited[0], next(level for level in reversed(visited) if level > 0.0)
    orders = fast_orders(evaluations)
    levels = [start * (end / start) ** (step / len(orders)) for step in range(len(orders))] + [end]
    for order, (sigma, sigma_next) in zip(orders, pairwise(levels), strict=True):
        span = Span.split(sigma, sigma_next, end, eta)
        *inside, last = stages(denoiser, x, span, order)
        yield from inside
        x = last.x if eta == 0.0 else last.x + noise() * (s_noise * span.up)
        yield last._replace(x=x)


def fast_orders(evaluations: int) -> list[int]:
    """The orders of the steps: threes, and at the end what is left, but never a three at the very end."""
    threes, rest = divmod(evaluations, 3)
    return [3] * threes + [rest] if rest else [3] * (threes - 1) + [2, 1]
