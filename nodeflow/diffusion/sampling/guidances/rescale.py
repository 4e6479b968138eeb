"""Guidance whose result is brought back to the spread of the positive side."""

from dataclasses import dataclass

from torch import Tensor

from nodeflow.diffusion.protocols import Denoiser, Guidance, Sides


@dataclass(frozen=True, slots=True)
class RescaledCFG(Guidance):
    """Rescaled guidance (Lin et al. 2023, 2305.08891, eq. 15, 16) against pictures that get too bright at high scales.

    The spread is that of the velocity, whatever the network predicts.

    Attributes:
        multiplier: Share of the rescaled result in the mean of both; phi in the paper.
    """

    multiplier: float = 0.7

    def wrap(self, inner: Denoiser, sides: Sides) -> Denoiser:
        """See `Guidance`."""

        def rescaled(x: Tensor, sigma: Tensor) -> Tensor:
            level = sigma[:, None, None, None]
            positive = _velocity(x, sides.positive(x, sigma), level)
            guided = _velocity(x, inner(x, sigma), level)
            factor = _spread(positive) / _spread(guided)
            velocity = guided * (self.multiplier * factor + (1 - self.multiplier))
            return x / (level**2 + 1) - velocity * level / (level**2 + 1).sqrt()

        return rescaled


def _velocity(x: Tensor, denoised: Tensor, level: Tensor) -> Tensor:
    """Progressive distillation, 2202.00512, appendix D, in the variables of 2206.00364."""
    return (x / (level**2 + 1) - denoised) * (level**2 + 1).sqrt() / level


def _spread(values: Tensor) -> Tensor:
    return values.std(dim=(1, 2, 3), keepdim=True)
