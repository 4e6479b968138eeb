"""What exponential integrators are made of: the phi functions, and weights that are exact for polynomials.

In the half log-SNR `t = -log sigma` the probability flow is `dx/dt = D(x) - x`, so a step by h leaves `exp(-h) x` and
adds an integral of the denoised pictures under an exponential weight. These solvers differ in what they put for the
pictures in between.
"""

import math
from collections.abc import Sequence

_SERIES_TERMS = 24


def phi(order: int, z: float) -> float:
    """The phi function of an order (Hochbruck and Ostermann 2010, Exponential integrators, eq. 2.10).

    phi_0(z) = exp z, and phi_k(z) is the integral of exp((1 - s) z) s^(k - 1) / (k - 1)! for s from 0 to 1. Near 0,
    where the recurrence takes small differences of large numbers, it is the sum of z^j / (j + k)!.
    """
    if abs(z) < 1.0:
        return sum(z**power / math.factorial(power + order) for power in range(_SERIES_TERMS))
    value = math.exp(z)
    for lower in range(order):
        value = (value - 1 / math.factorial(lower)) / z
    return value


def exact_weights(nodes: Sequence[float], moments: Sequence[float]) -> list[float]:
    """Weights under which each power of the nodes sums to its moment: `sum_j w_j nodes_j^p = moments_p`.

    Args:
        nodes: Distinct numbers, about 1 in size.
        moments: As many.
    """
    weights: list[float] = []
    for node in nodes:
        polynomial = [1.0]  # Lagrange's, 1 at this node and 0 at the others; lowest power first
        for other in nodes:
            if other != node:
                terms = zip([0.0, *polynomial], [*polynomial, 0.0], strict=True)
                polynomial = [(below - other * here) / (node - other) for below, here in terms]
        weights.append(math.fsum(factor * moment for factor, moment in zip(polynomial, moments, strict=True)))
    return weights
