"""Guidance at a high scale with the contrast of a lower one."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from nodeflow.diffusion.protocols import Denoiser, Guidance, Sides


@dataclass(frozen=True, slots=True)
class DynamicThresholding(Guidance):
    """Dynamic thresholding (Saharia et al. 2022, 2205.11487, section 2.3), for latents.

    Pixels have known bounds to be scaled back to, latents have none. So each channel is scaled to the range it would
    have at a lower, mimicked scale, around its own mean, as it is done in the field.

    Attributes:
        mimic_scale: The scale whose contrast is wanted.
        percentile: Share of the values of a channel that is not cut off before it is scaled.
    """

    mimic_scale: float = 7.0
    percentile: float = 1.0

    def wrap(self, inner: Denoiser, sides: Sides) -> Denoiser:
        """See `Guidance`."""

        def thresholded(x: Tensor, sigma: Tensor) -> Tensor:
            if math.isclose(sides.scale, 1.0):
                return inner(x, sigma)
            away = sides.negative(x, sigma)
            mimicked, _ = _centred(away + (sides.positive(x, sigma) - away) * self.mimic_scale)
            guided, mean = _centred(inner(x, sigma))
            wanted = mimicked.abs().amax(dim=2, keepdim=True)
            reached = torch.quantile(guided.abs(), self.percentile, dim=2, keepdim=True).maximum(wanted)
            factor = wanted / reached.clamp(min=torch.finfo(x.dtype).tiny)
            return (guided.clamp(-reached, reached) * factor + mean).view_as(x)

        return thresholded


def _centred(denoised: Tensor) -> tuple[Tensor, Tensor]:
    """Values without their mean, and the mean; per channel."""
    flat = denoised.flatten(2)  # b c hw
    mean = flat.mean(dim=2, keepdim=True)
    return flat - mean, mean
