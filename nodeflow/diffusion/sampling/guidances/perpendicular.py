"""Guidance away from only that part of the negative side which the positive one does not share."""

from dataclasses import dataclass

import torch
from torch import Tensor

from nodeflow.diffusion.protocols import Denoiser, Guidance, Sides
from nodeflow.diffusion.types import Conditioning


@dataclass(frozen=True, slots=True)
class PerpendicularNegative(Guidance):
    """Perp-Neg (Armandpour et al. 2023, 2304.04968, eq. 8): what the negative has in common with the positive stays.

    Attributes:
        empty: An empty prompt, which both directions start from.
        scale: How strongly to move away from the negative.
    """

    empty: Conditioning
    scale: float = 1.0

    @property
    def needs_negative(self) -> bool:
        """At any scale."""
        return True

    @property
    def others(self) -> tuple[Conditioning, ...]:
        """The empty prompt."""
        return (self.empty,)

    def wrap(self, inner: Denoiser, sides: Sides) -> Denoiser:
        """See `Guidance`."""

        def perpendicular(x: Tensor, sigma: Tensor) -> Tensor:
            empty = sides.under(self.empty, x, sigma)
            towards, away = sides.positive(x, sigma) - empty, sides.negative(x, sigma) - empty
            length = _dot(towards, towards).clamp(min=torch.finfo(x.dtype).tiny)
            aside = away - _dot(away, towards) / length * towards
            return empty + (towards - aside * self.scale) * sides.scale

        return perpendicular


def _dot(one: Tensor, other: Tensor) -> Tensor:
    return (one * other).sum(dim=(1, 2, 3), keepdim=True)
