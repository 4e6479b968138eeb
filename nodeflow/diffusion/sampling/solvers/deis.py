"""DEIS: an exponential integrator whose weights are integrals of polynomials in time."""

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise

import torch
from torch import Tensor

from nodeflow.diffusion.protocols import Denoiser
from nodeflow.diffusion.sampling.noise import Noise
from nodeflow.diffusion.sampling.solvers.step import Move, denoise, levels_visited, require_order, weighted

_POINTS = 10_000
_LOG_LOW, _LOG_HIGH = math.log1p(0.002**2), math.log1p(80.0**2)
_TIME_LOW = 1e-3
_GROWTH = 2 * (_LOG_HIGH - _LOG_LOW / _TIME_LOW) / (1 - _TIME_LOW)
_START = _LOG_HIGH - _GROWTH / 2
"""Of the noise rate `_START + _GROWTH t` under which sigma goes from 0.002 at time 0.001 to 80 at time 1."""


def deis(denoiser: Denoiser, x: Tensor, sigmas: Tensor, _noise: Noise, *, max_order: int = 3) -> Iterator[Move]:
    """DEIS with polynomials in time, tAB (Zhang and Chen 2023, 2204.13902, eq. 14 and 15).

    The noise is extrapolated by the polynomial in time through its last values. As in other engines, time is that of a
    variance-preserving process from 0.002 to 80, whatever the model's, and the integrals are sums over 10,000 points.

    Args:
        denoiser: See `Sampler`, as for the next three.
        x: See there.
        sigmas: See there.
        max_order: Values looked at, 1 to 4.

    Raises:
        ValueRuleError: Another order.
    """
    require_order("deis", "max_order", max_order, range(1, 5))
    visited = levels_visited(sigmas)
    directions: list[Tensor] = []  # newest first
    for index, (sigma, sigma_next) in enumerate(pairwise(visited)):
        denoised = denoise(denoiser, x, sigma)
        directions = [(x - denoised) / sigma, *directions[: max_order - 1]]
        if sigma_next == 0.0:
            x = denoised
        else:
            known = visited[index + 1 - len(directions) : index + 1][::-1]
            x = x + weighted(polynomial_weights(known, sigma_next), directions)
        yield Move(x, denoised, sigma)


def polynomial_weights(known: Sequence[float], sigma_next: float) -> list[float]:
    """The integral of each Lagrange polynomial in time over the rise of sigma, in one step.

    Args:
        known: Levels at which the noise is known, newest first; the step begins at the first.
        sigma_next: Where it ends.
    """
    if len(known) == 1:
        return [sigma_next - known[0]]
    nodes, end = [_time(sigma) for sigma in known], _time(sigma_next)
    times = torch.linspace(nodes[0], end, _POINTS, dtype=torch.float64)
    variance = torch.expm1(_GROWTH / 2 * times**2 + _START * times)  # sigma^2
    rise = (_START + _GROWTH * times) * (1 + variance) / (2 * variance.sqrt())  # d sigma / d time
    weights: list[float] = []
    for node in nodes:
        others = [other for other in nodes if other != node]
        polynomial = math.prod(((times - other) / (node - other) for other in others), start=torch.ones_like(times))
        weights.append(float((polynomial * rise).sum()) * (end - nodes[0]) / _POINTS)
    return weights


def _time(sigma: float) -> float:
    return (math.sqrt(_START**2 + 2 * _GROWTH * math.log1p(sigma**2)) - _START) / _GROWTH
