"""Guidance away from what the network makes without self-attention."""

from dataclasses import dataclass

from torch import Tensor

from nodeflow.diffusion.models.patches.identity import IdentityAttention
from nodeflow.diffusion.protocols import Denoiser, Guidance, Sides, Stage


@dataclass(frozen=True, slots=True)
class PerturbedAttention(Guidance):
    """Perturbed-attention guidance (Ahn et al. 2024, 2403.17377, eq. 16): one more evaluation per step.

    Attributes:
        scale: How strongly to move away.
    """

    scale: float = 3.0

    @property
    def stage(self) -> Stage:
        """It adds to what other guidance gives."""
        return Stage.ADD

    def wrap(self, inner: Denoiser, sides: Sides) -> Denoiser:
        """See `Guidance`."""
        if self.scale == 0.0:
            return inner

        def perturbed(x: Tensor, sigma: Tensor) -> Tensor:
            guided = inner(x, sigma)
            structureless = sides.apart(x, sigma, IdentityAttention())
            return guided + (sides.alone(x, sigma) - structureless) * self.scale

        return perturbed
