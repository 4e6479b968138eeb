"""What can be done to latents, as values: once, or to what guidance adds at every step. Imports without torch."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

_LEAST = 1e-10
"""What is added to the length of a cell, so that nothing is divided by 0."""


class LatentOperation(ABC):
    """Something that is done to latents; a frozen value, pure, and every row by itself."""

    @abstractmethod
    def __call__(self, samples: "Tensor") -> "Tensor":
        """Does it to samples [B, C, h, w].

        Raises:
            ValueRuleError: They are too small for it.
        """


@dataclass(frozen=True, slots=True)
class TonemapReinhard(LatentOperation):
    """Shortens the vectors of cells, long ones more than short ones (Reinhard et al. 2002, eq. 3, on their lengths).

    A length l becomes l t / (l + t): where t is five standard deviations above the mean length of a row, times the
    multiplier, no length exceeds t.

    Attributes:
        multiplier: Of t; the larger, the less is changed. At 0 nothing is left.
    """

    multiplier: float = 1.0

    def __call__(self, samples: "Tensor") -> "Tensor":
        """See `LatentOperation`."""
        import torch

        lengths = _lengths(samples) + _LEAST
        mean = lengths.mean(dim=(1, 2, 3), keepdim=True)
        spread = lengths.std(dim=(1, 2, 3), keepdim=True) if lengths[0].numel() > 1 else torch.zeros_like(mean)
        most = (mean + 5.0 * spread) * self.multiplier
        return samples * (most / (lengths + most))


@dataclass(frozen=True, slots=True)
class SharpenLatent(LatentOperation):
    """An unsharp mask on the directions of cells; each gets the length that it had before.

    Attributes:
        radius: Where the blur is cut off, in cells.
        sigma: Of the blur, as a share of the radius.
        alpha: A tenth of what is added of the difference to the blur.
    """

    radius: int = 9
    sigma: float = 1.0
    alpha: float = 0.1

    def __call__(self, samples: "Tensor") -> "Tensor":
        """See `LatentOperation`."""
        from nodeflow.diffusion.filters import unsharp

        lengths = _lengths(samples) + 1e-6
        return lengths * unsharp(samples / lengths, self.radius, self.sigma, self.alpha)


def _lengths(samples: "Tensor") -> "Tensor":
    return samples.square().sum(dim=1, keepdim=True).sqrt()
