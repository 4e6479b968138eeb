"""Guidance that does something to what the positive side adds, before it is scaled."""

import math
from dataclasses import dataclass

from torch import Tensor

from nodeflow.diffusion.latent_operations import LatentOperation
from nodeflow.diffusion.models.passing import Patch
from nodeflow.diffusion.protocols import Guidance, Sides
from nodeflow.diffusion.types import Conditioning


@dataclass(frozen=True, slots=True)
class OperatedGuidance(Guidance):
    """Guidance along f(positive - negative) in place of their difference; without guidance, f(positive) is followed.

    Attributes:
        operation: The f.
    """

    operation: LatentOperation

    def seen(self, sides: Sides) -> Sides:
        """See `Guidance`."""
        return _Operated(sides, self.operation)


@dataclass(frozen=True, slots=True)
class _Operated:
    """Sides whose positive one is changed at the points of the run."""

    sides: Sides
    operation: LatentOperation

    @property
    def scale(self) -> float:
        return self.sides.scale

    def positive(self, x: Tensor, sigma: Tensor) -> Tensor:
        if math.isclose(self.scale, 1.0):
            return self.operation(self.sides.positive(x, sigma))
        away = self.sides.negative(x, sigma)
        return away + self.operation(self.sides.positive(x, sigma) - away)

    def negative(self, x: Tensor, sigma: Tensor) -> Tensor:
        return self.sides.negative(x, sigma)

    def alone(self, x: Tensor, sigma: Tensor) -> Tensor:
        return self.operation(self.sides.alone(x, sigma))

    def apart(self, x: Tensor, sigma: Tensor, patch: Patch | None = None, *, negative: bool = False) -> Tensor:
        return self.sides.apart(x, sigma, patch, negative=negative)

    def watched(self, patch: Patch, x: Tensor, sigma: Tensor) -> Tensor:
        return self.sides.watched(patch, x, sigma)

    def under(self, conditioning: Conditioning, x: Tensor, sigma: Tensor) -> Tensor:
        return self.sides.under(conditioning, x, sigma)
