"""Guidance: denoisers made of denoisers, bound to what the picture should and should not follow."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from torch import Tensor

from nodeflow.diffusion.models.passing import Patch
from nodeflow.diffusion.protocols import Both, Denoiser, Guidance, Sides
from nodeflow.diffusion.sampling.evaluation import Conditioned, Together
from nodeflow.diffusion.types import Conditioning

_POSITIVE, _NEGATIVE = 0, 1


class Pair:
    """The `Sides` of a run: the two, and those that guidance brings along.

    Args:
        positive: What the picture should follow.
        negative: What it should be moved away from.
        scale: Of guidance.
        both: Both are needed at every point.
        others: Further conditionings of the network of `positive`, needed at every point.
    """

    def __init__(
        self,
        positive: Denoiser,
        negative: Denoiser,
        scale: float,
        *,
        both: bool,
        others: Sequence[Conditioning] = (),
    ) -> None:
        self.scale = scale
        self._others = tuple(others)
        self._ends = (positive, negative, *(_elsewhere(positive, other) for other in others))
        self._needed = (*([_NEGATIVE] if both else []), _POSITIVE, *range(2, len(self._ends)))
        self._network = _shared(self._ends)
        self._point: tuple[Tensor, Tensor] | None = None
        self._known: dict[int, Tensor] = {}

    def positive(self, x: Tensor, sigma: Tensor) -> Tensor:
        """What the positive side gives; a `Denoiser`."""
        return self._at(_POSITIVE, x, sigma)

    def negative(self, x: Tensor, sigma: Tensor) -> Tensor:
        """What the negative side gives; a `Denoiser`."""
        return self._at(_NEGATIVE, x, sigma)

    def alone(self, x: Tensor, sigma: Tensor) -> Tensor:
        """What the positive side gives, the negative one not being needed at this point; a `Denoiser`."""
        return self._at(_POSITIVE, x, sigma, alone=True)

    def under(self, conditioning: Conditioning, x: Tensor, sigma: Tensor) -> Tensor:
        """What the network gives under one of the others; a `Denoiser`."""
        side = next(index for index, other in enumerate(self._others, start=2) if other is conditioning)
        return self._at(side, x, sigma)

    def apart(self, x: Tensor, sigma: Tensor, patch: Patch | None = None, *, negative: bool = False) -> Tensor:
        """What one side gives by itself; a `Denoiser`. See `Sides`."""
        return self._evaluated([_NEGATIVE if negative else _POSITIVE], x, sigma, patch)[0]

    def watched(self, patch: Patch, x: Tensor, sigma: Tensor) -> Tensor:
        """What the negative side gives while a patch looks on; a `Denoiser`. See `Sides`."""
        self._move_to(x, sigma)
        found = self._known[_NEGATIVE] = self._evaluated([_NEGATIVE], x, sigma, patch, singly=True)[0]
        return found

    def _at(self, side: int, x: Tensor, sigma: Tensor, *, alone: bool = False) -> Tensor:
        self._move_to(x, sigma)
        if side not in self._known:
            needed = [side] if alone else [each for each in self._needed if each not in self._known]
            wanted = needed if side in needed else [side, *needed]
            self._known.update(zip(wanted, self._evaluated(wanted, x, sigma), strict=True))
        return self._known[side]

    def _move_to(self, x: Tensor, sigma: Tensor) -> None:
        if self._point is None or self._point[0] is not x or self._point[1] is not sigma:
            self._point, self._known = (x, sigma), {}

    def _evaluated(
        self, wanted: Sequence[int], x: Tensor, sigma: Tensor, patch: Patch | None = None, *, singly: bool = False
    ) -> Sequence[Tensor]:
        if self._network is not None:
            return self._network(wanted, x, sigma, patch, singly=singly)
        if patch is not None:
            raise TypeError("a guidance that patches the network needs two sides of one network")
        return [self._ends[side](x, sigma) for side in wanted]


def _elsewhere(positive: Denoiser, conditioning: Conditioning) -> Denoiser:
    if not isinstance(positive, Conditioned):
        raise TypeError("a guidance with a conditioning of its own needs a network to evaluate it")
    device = positive.conditioning.entries[0].context.device
    return replace(positive, conditioning=conditioning.to(device))


def _shared(ends: Sequence[Denoiser]) -> Together | None:
    sides = [end for end in ends if isinstance(end, Conditioned)]
    one_network = len(sides) == len(ends) and all(side.network is sides[0].network for side in sides)
    return Together(sides) if one_network else None


@dataclass(frozen=True, slots=True)
class Guided:
    """Classifier-free guidance (Ho and Salimans 2022, 2207.12598, eq. 6): a `Denoiser` beyond the positive one.

    The equation is applied to denoised pictures, which for every prediction is the same as applying it to noise.

    Attributes:
        sides: What is guided, and the scale: 1 is the positive side alone.
    """

    sides: Sides

    def __call__(self, x: Tensor, sigma: Tensor) -> Tensor:
        """Denoises; see `Denoiser`."""
        if math.isclose(self.sides.scale, 1.0):
            return self.sides.positive(x, sigma)
        away = self.sides.negative(x, sigma)
        return away + (self.sides.positive(x, sigma) - away) * self.sides.scale


@dataclass(frozen=True, slots=True)
class Steered:
    """The whole guidance of a run; a `TwoSided` denoiser.

    Attributes:
        guided: Classifier-free guidance, and around it what the model carries.
        sides: Its two sides.
    """

    guided: Denoiser
    sides: Sides

    def __call__(self, x: Tensor, sigma: Tensor) -> Tensor:
        """Denoises; see `Denoiser`."""
        return self.guided(x, sigma)

    def both(self, x: Tensor, sigma: Tensor) -> Both:
        """Denoises, and tells the negative side; see `TwoSided`."""
        return Both(self.guided(x, sigma), self.sides.negative(x, sigma))


def steered(
    positive: Denoiser,
    negative: Denoiser,
    scale: float,
    guidance: Sequence[Guidance] = (),
    *,
    negative_wanted: bool = False,
) -> Steered:
    """Guides one denoiser away from another; where nothing needs the negative one it is never evaluated.

    Args:
        positive: What the picture should follow.
        negative: What it should be moved away from.
        scale: Of guidance.
        guidance: What is changed about it, the first one innermost within its stage.
        negative_wanted: The sampler needs the negative side by itself.
    """
    both = negative_wanted or not math.isclose(scale, 1.0) or any(each.needs_negative for each in guidance)
    others = {id(other): other for each in guidance for other in each.others}  # one that two bring along counts once
    sides: Sides = Pair(positive, negative, scale, both=both, others=[*others.values()])
    for each in guidance:
        sides = each.seen(sides)
    denoiser: Denoiser = Guided(sides)
    for each in sorted(guidance, key=lambda each: each.stage):
        denoiser = each.wrap(denoiser, sides)
    return Steered(denoiser, sides)
