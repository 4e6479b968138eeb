"""Guidance along two conditionings, each with a scale of its own."""

import math
from dataclasses import dataclass

from torch import Tensor

from nodeflow.diffusion.protocols import Denoiser, Guidance, Sides
from nodeflow.diffusion.types import Conditioning


@dataclass(frozen=True, slots=True)
class DualCFG(Guidance):
    """Guidance of a second conditioning away from the negative side, and of the positive one away from the second.

    So pictures are edited (InstructPix2Pix, 2211.09800, eq. 3): the second is the picture alone, the positive the
    picture with the instruction. The scale of the run is that between the second and the negative side.

    Attributes:
        second: The conditioning in the middle.
        scale: From the second to the positive.
        nested: The scale of the run is applied to what guidance from the second to the positive gives.
    """

    second: Conditioning
    scale: float = 8.0
    nested: bool = False

    @property
    def needs_negative(self) -> bool:
        """Where the scale of the run is 1, only nested guidance does not do without it."""
        return self.nested

    @property
    def others(self) -> tuple[Conditioning, ...]:
        """The second."""
        return (self.second,)

    def wrap(self, inner: Denoiser, sides: Sides) -> Denoiser:
        """See `Guidance`."""

        def dual(x: Tensor, sigma: Tensor) -> Tensor:
            middle, positive = sides.under(self.second, x, sigma), sides.positive(x, sigma)
            further = (positive - middle) * self.scale
            if math.isclose(sides.scale, 1.0):
                return middle + further
            negative = sides.negative(x, sigma)
            if self.nested:
                return negative + (middle + further - negative) * sides.scale
            return negative + (middle - negative) * sides.scale + further

        return dual
