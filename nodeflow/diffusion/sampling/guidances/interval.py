"""Guidance in a part of the schedule only."""

from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from nodeflow.diffusion.protocols import Denoiser, Guidance, Sides, Stage
from nodeflow.diffusion.sampling.prediction import NoiseLevels


@dataclass(frozen=True, slots=True)
class CFGInterval(Guidance):
    """Guidance in a limited interval (Kynkäänniemi et al. 2024, 2404.07724, eq. 6).

    At other noise levels the positive side is all there is, and the negative one is not evaluated.

    Attributes:
        highest: Noise level from which on there is guidance.
        lowest: Noise level down to which there is.
    """

    highest: float
    lowest: float

    @classmethod
    def between(cls, start: float, end: float, levels: NoiseLevels) -> Self:
        """The interval between two shares of the schedule, 0..1."""
        return cls(levels.at(start), levels.at(end))

    @property
    def stage(self) -> Stage:
        """It limits whatever joins the sides."""
        return Stage.LIMIT

    def wrap(self, inner: Denoiser, sides: Sides) -> Denoiser:
        """See `Guidance`."""

        def limited(x: Tensor, sigma: Tensor) -> Tensor:
            guided = (sigma <= self.highest) & (sigma >= self.lowest)
            if not bool(guided.any()):
                return sides.alone(x, sigma)
            denoised = inner(x, sigma)
            return torch.where(guided[:, None, None, None], denoised, sides.positive(x, sigma))

        return limited
