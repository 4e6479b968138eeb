"""Linear multistep: the slopes of past steps, joined by a polynomial."""

from collections.abc import Iterator, Sequence
from itertools import pairwise

from torch import Tensor

from nodeflow.diffusion.protocols import Denoiser
from nodeflow.diffusion.sampling.noise import Noise
from nodeflow.diffusion.sampling.solvers.step import Move, denoise, levels_visited, weighted


def lms(denoiser: Denoiser, x: Tensor, sigmas: Tensor, _noise: Noise, *, order: int = 4) -> Iterator[Move]:
    """Adams-Bashforth in sigma, for steps of any size (as in k-diffusion; Hairer, Nørsett, Wanner, III.5).

    The slopes `d = (x - D) / sigma` of the last steps are joined by the polynomial through them, which is integrated
    exactly over the next step; a step to 0 takes the denoised picture.

    Args:
        denoiser: See `Sampler`, as for the next three.
        x: See there.
        sigmas: See there.
        order: How many slopes, 1 or more; there are fewer in the first steps.
    """
    visited = levels_visited(sigmas)
    slopes: list[Tensor] = []  # newest first
    for index, (sigma, sigma_next) in enumerate(pairwise(visited)):
        denoised = denoise(denoiser, x, sigma)
        slopes = [(x - denoised) / sigma, *slopes[: order - 1]]
        if sigma_next == 0.0:
            x = denoised
        else:
            known = visited[index + 1 - len(slopes) : index + 1][::-1]
            x = x + weighted(adams_weights(known, sigma_next), slopes)
        yield Move(x, denoised, sigma)


def adams_weights(known: Sequence[float], level: float) -> list[float]:
    """Integrals of Lagrange's polynomials.

    Args:
        known: Levels at which slopes are known, newest first.
        level: Where the integral goes, from the newest.

    Returns:
        The weight of each slope, in steps of sigma.
    """
    start = known[0]
    nodes, end = [each - start for each in known], level - start
    weights: list[float] = []
    for which, node in enumerate(nodes):
        coefficients = [1.0]  # of the polynomial that is 1 at this node and 0 at the others, lowest power first
        for other in nodes[:which] + nodes[which + 1 :]:
            raised, scale = [0.0, *coefficients], node - other
            lowered = [*(other * each for each in coefficients), 0.0]
            coefficients = [(one - two) / scale for one, two in zip(raised, lowered, strict=True)]
        weights.append(sum(each * end ** (power + 1) / (power + 1) for power, each in enumerate(coefficients)))
    return weights
