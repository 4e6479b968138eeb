"""What every sampler is made of: its step, its way to the network, and the split of a step into descent and noise."""

import math
from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise
from typing import NamedTuple

from torch import Tensor

from nodeflow.diffusion.errors import SamplerError
from nodeflow.diffusion.protocols import Both, Denoiser, TwoSided


class Move(NamedTuple):
    """One step of a sampler.

    Attributes:
        x: [B, C, h, w], where it arrived.
        denoised: [B, C, h, w], the denoiser's guess where it came from.
        sigma: The noise level where it came from.
    """

    x: Tensor
    denoised: Tensor
    sigma: float


Sampler = Callable[..., Iterator[Move]]
"""(denoiser, noisy latents [B, C, h, w], falling levels [n + 1], noise, **options) to its moves.

The options are keyword parameters with defaults; the noise is a `nodeflow.diffusion.sampling.noise.Noise`.
"""


def levels_visited(sigmas: Tensor) -> list[float]:
    """The levels as numbers. One that follows itself is no step, and is left out."""
    values = [float(sigma) for sigma in sigmas.cpu()]
    return [value for index, value in enumerate(values) if index == 0 or value != values[index - 1]]


def levels_in_pairs(sigmas: Tensor) -> Iterator[tuple[float, float]]:
    """Each level with the next."""
    return pairwise(levels_visited(sigmas))


def weighted(weights: Iterable[float], tensors: Iterable[Tensor]) -> Tensor:
    """The sum of tensors, each times its weight."""
    first, *others = [weight * tensor for weight, tensor in zip(weights, tensors, strict=True)]
    return sum(others, first)


def require_order(sampler: str, option: str, order: int, orders: range) -> None:
    """Checks an option that is an order.

    Raises:
        SamplerError: It is not among `orders`.
    """
    if order not in orders:
        raise SamplerError(f"{sampler}: {option} {order} is not in {orders[0]}..{orders[-1]}")


def denoise(denoiser: Denoiser, x: Tensor, sigma: float) -> Tensor:
    """Calls the denoiser with one level for all rows."""
    return denoiser(x, x.new_full((len(x),), sigma))


def denoise_both(denoiser: Denoiser, x: Tensor, sigma: float) -> Both:
    """Calls a two-sided denoiser with one level for all rows.

    Raises:
        TypeError: The denoiser has no negative side.
    """
    if not isinstance(denoiser, TwoSided):
        raise TypeError("a CFG++ sampler needs a denoiser with a negative side")
    return denoiser.both(x, x.new_full((len(x),), sigma))


def ancestral_split(sigma: float, sigma_next: float, eta: float = 1.0) -> tuple[float, float]:
    """Splits a step into the level to go down to and that of the noise added after; DDPM's posterior, eq. 7."""
    variance = sigma_next**2 * (sigma**2 - sigma_next**2) / sigma**2
    up = min(sigma_next, eta * math.sqrt(max(variance, 0.0)))  # none where levels rise
    return math.sqrt(sigma_next**2 - up**2), up
