"""Networks made of others: blended, added, subtracted; each weight in float32 and rounded once."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import TypeVar

import torch.nn.functional as F
from torch import Tensor

from nodeflow.diffusion.errors import ValueRuleError
from nodeflow.diffusion.networks import Clip, Model
from nodeflow.diffusion.reweighting import reweighted, weights_of
from nodeflow.diffusion.weights import ComputedWeight, Weight

N = TypeVar("N", Model, Clip)
Ratio = Callable[[str], float]

_SHOWN = 2


def blended(one: N, other: N, ratio: float) -> N:
    """Every weight is `one * ratio + other * (1 - ratio)`.

    Args:
        one: Gives all that is no weight.
        other: A network of the same shape.
        ratio: 1 is `one` itself, and 0 shares every weight with `other`.

    Raises:
        ValueRuleError: The networks have other weights, or one was released.
        CheckpointError: A file that weights come from has changed.
    """
    return _blended(one, other, lambda _: ratio)


def blended_by_blocks(one: Model, other: Model, ratios: Mapping[str, float]) -> Model:
    """As `blended`, with a ratio for each part of the network.

    Args:
        one: Gives all that is no weight.
        other: A network of the same shape.
        ratios: By the start of a weight's name, such as "input" or "out"; the longest start counts, and what none of
            them fits has the first one's ratio.

    Raises:
        ValueRuleError: The networks have other weights, or one was released.
        CheckpointError: A file that weights come from has changed.
    """
    first = next(iter(ratios))

    def ratio(name: str) -> float:
        return ratios[max((start for start in ratios if name.startswith(start)), key=len, default=first)]

    return _blended(one, other, ratio)


def added(one: N, other: N) -> N:
    """Every weight is the sum of both.

    A convolution of `other` that takes fewer channels is added to the first ones, so that the difference of two models
    can be added to an in-painting model. Errors are those of `blended`.
    """
    pairs = _paired(one, other, padded=True)
    return reweighted(one, {name: ComputedWeight(pair, _sum) for name, pair in pairs.items()})


def subtracted(one: N, other: N, factor: float = 1.0) -> N:
    """Every weight is the difference of both times `factor`; errors are those of `blended`."""
    pairs = _paired(one, other)
    return reweighted(one, {name: ComputedWeight(pair, partial(_difference, factor)) for name, pair in pairs.items()})


def _blended(one: N, other: N, ratio: Ratio) -> N:
    changes: dict[str, Weight] = {}
    for name, (mine, theirs) in _paired(one, other).items():
        share = ratio(name)
        if share == 1 or mine is theirs:
            continue
        changes[name] = theirs if share == 0 else ComputedWeight((mine, theirs), partial(_blend, share))
    return reweighted(one, changes, donor=other)


def _blend(ratio: float, one: Tensor, other: Tensor) -> Tensor:
    return one * ratio + other * (1 - ratio)


def _sum(one: Tensor, other: Tensor) -> Tensor:
    if one.ndim == 4:
        other = F.pad(other, (0, 0, 0, 0, 0, one.shape[1] - other.shape[1]))
    return one + other


def _difference(factor: float, one: Tensor, other: Tensor) -> Tensor:
    return (one - other) * factor


def _paired(one: N, other: N, *, padded: bool = False) -> Mapping[str, tuple[Weight, Weight]]:
    """The weights of both by name.

    Raises:
        ValueRuleError: They do not go together.
    """
    mine, theirs = weights_of(one), weights_of(other)
    alone = sorted(set(mine) ^ set(theirs))
    if alone:
        raise ValueRuleError(f"the two have different weights, such as {alone[0]}; merge two of one family")
    wrong = [name for name in mine if not _goes_with(mine[name].shape, theirs[name].shape, padded)]
    if wrong:
        listed = ", ".join(f"{name} {list(theirs[name].shape)} and {list(mine[name].shape)}" for name in wrong[:_SHOWN])
        raise ValueRuleError(
            f"{len(wrong)} weights of the two have different shapes: {listed}; merge two of one family"
        )
    return {name: (weight, theirs[name]) for name, weight in mine.items()}


def _goes_with(mine: tuple[int, ...], theirs: tuple[int, ...], padded: bool) -> bool:
    if padded and len(mine) == len(theirs) == 4:
        return (mine[0], *mine[2:]) == (theirs[0], *theirs[2:]) and theirs[1] <= mine[1]
    return mine == theirs
