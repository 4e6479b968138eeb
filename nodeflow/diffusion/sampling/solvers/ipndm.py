"""Improved PNDM: multistep in the direction of the noise, of orders up to four."""

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise

from torch import Tensor

from nodeflow.diffusion.protocols import Denoiser
from nodeflow.diffusion.sampling.noise import Noise
from nodeflow.diffusion.sampling.solvers.step import Move, denoise, levels_visited, require_order, weighted

ADAMS_BASHFORTH = (
    (1.0,),
    (3 / 2, -1 / 2),
    (23 / 12, -16 / 12, 5 / 12),
    (55 / 24, -59 / 24, 37 / 24, -9 / 24),
)
"""Weights of the newest direction and those before it, by order, for steps of one size."""


def ipndm(denoiser: Denoiser, x: Tensor, sigmas: Tensor, _noise: Noise, *, max_order: int = 4) -> Iterator[Move]:
    """Improved PNDM (Liu et al. 2022, 2202.09778, eq. 12, with lower orders at the start as in DEIS, 2204.13902).

    Adams-Bashforth on the direction `d = (x - D) / sigma` with the weights of even steps, whatever the steps are.

    Args:
        denoiser: See `Sampler`, as for the next three.
        x: See there.
        sigmas: See there.
        max_order: Directions looked at, 1 to 4.

    Raises:
        ValueRuleError: Another order.
    """
    require_order("ipndm", "max_order", max_order, range(1, 5))
    return _multistep(denoiser, x, sigmas, max_order, lambda recent: ADAMS_BASHFORTH[len(recent) - 2])


def ipndm_v(denoiser: Denoiser, x: Tensor, sigmas: Tensor, _noise: Noise, *, max_order: int = 4) -> Iterator[Move]:
    """Improved PNDM with weights that depend on the steps (as `ipndm`; Zhang and Chen 2023, 2204.13902).

    The weights are those of diff-sampler (Zhou et al., Apache-2.0), which other engines use too: Adams-Bashforth's for
    any steps up to second order and for even steps at third; beyond, the published ones are not quite those.

    Args:
        denoiser: See `Sampler`, as for the next three.
        x: See there.
        sigmas: See there.
        max_order: Directions looked at, 1 to 4.

    Raises:
        ValueRuleError: Another order.
    """
    require_order("ipndm_v", "max_order", max_order, range(1, 5))
    return _multistep(denoiser, x, sigmas, max_order, uneven_weights)


def uneven_weights(recent: Sequence[float]) -> tuple[float, ...]:
    """Weights of the newest direction and those before it, for `ipndm_v`.

    Args:
        recent: The level to go to, the one that the newest direction belongs to, and those before it; 2 to 5 in all.
    """
    h, *before = [level - level_before for level, level_before in pairwise(recent)]
    if not before:
        return (1.0,)
    h1 = before[0]
    slope = h / (2 * h1)
    if len(before) == 1:
        return 1 + slope, -slope
    h2 = before[1]
    bend = (1 - h**2 / (3 * h1 * (h1 + h2))) / 2
    ratio = h1 / h2
    if len(before) == 2:
        return 1 + slope + bend, -slope - (1 + ratio) * bend, ratio * bend
    h3 = before[2]
    two, three = h + h1, h + h1 + h2
    twist = (1 - h / (3 * two)) / 2 + (1 - h / (2 * two)) * h / (6 * three)
    twist *= h * two * three / (h1 * (h1 + h2) * (h1 + h2 + h3))
    far = h1 * (h1 + h2) / (h2 * (h2 + h3))
    return (
        1 + slope + bend + twist,
        -slope - (1 + ratio) * bend - (1 + ratio + far) * twist,
        ratio * bend + (ratio + far * (1 + h2 / h3)) * twist,
        -far * ratio * twist,
    )


def _multistep(
    denoiser: Denoiser,
    x: Tensor,
    sigmas: Tensor,
    max_order: int,
    weights: Callable[[Sequence[float]], Sequence[float]],
) -> Iterator[Move]:
    """Adams-Bashforth with weights from the levels, newest first."""
    visited = levels_visited(sigmas)
    directions: list[Tensor] = []  # newest first
    for index, (sigma, sigma_next) in enumerate(pairwise(visited)):
        denoised = denoise(denoiser, x, sigma)
        directions = [(x - denoised) / sigma, *directions[: max_order - 1]]
        if sigma_next == 0.0:
            x = denoised
        else:
            used = weights(visited[index + 1 - len(directions) : index + 2][::-1])
            x = x + (sigma_next - sigma) * weighted(used, directions)
        yield Move(x, denoised, sigma)
