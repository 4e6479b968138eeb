"""More of the UNet's own path, less of what its skip connections carry."""

from dataclasses import dataclass
from typing import Self, cast

import torch
from torch import Tensor, nn

from nodeflow.diffusion.errors import ValueRuleError
from nodeflow.diffusion.models.passing import Patch, Place
from nodeflow.diffusion.models.unet import UNet


@dataclass(frozen=True, slots=True)
class FreeU(Patch):
    """FreeU (Si et al. 2023, 2309.11497, eq. 4 to 7), where features are four and two times as wide as the first level.

    Attributes:
        width: Channels of the first level.
        b1: Factor on half of the channels of the path, where it is four times as wide.
        b2: The same where it is two times as wide.
        s1: Factor on the lowest frequencies of the skip connection, four times as wide.
        s2: The same, two times as wide.
        by_mean: The factor on the path is full where the mean over its channels is highest and 1 where it is lowest
            (version 2), instead of everywhere (version 1).
    """

    width: int
    b1: float
    b2: float
    s1: float
    s2: float
    by_mean: bool = False

    @classmethod
    def of(cls, network: nn.Module, b1: float, b2: float, s1: float, s2: float, *, by_mean: bool = False) -> Self:
        """For a network of this width.

        Raises:
            ValueRuleError: It is no UNet.
        """
        if not isinstance(network, UNet):
            raise ValueRuleError(f"FreeU needs a UNet; a {type(network).__name__} is none")
        return cls(network.config.model_channels, b1, b2, s1, s2, by_mean)

    def skip(self, h: Tensor, skip: Tensor, place: Place) -> tuple[Tensor, Tensor]:
        """See `Patch`."""
        factors = {4 * self.width: (self.b1, self.s1), 2 * self.width: (self.b2, self.s2)}.get(h.shape[1])
        if factors is None:
            return h, skip
        path, low = factors
        changed, rest = h.tensor_split([h.shape[1] // 2], dim=1)
        factor = 1 + (path - 1) * _relative_mean(h) if self.by_mean else path
        return torch.cat([changed * factor, rest], dim=1), _lowest_scaled(skip, low)


def _relative_mean(h: Tensor) -> Tensor:
    """The mean over channels, [B, 1, h, w], brought to 0..1 in each row."""
    mean = h.mean(dim=1, keepdim=True)
    low, high = mean.amin(dim=(1, 2, 3), keepdim=True), mean.amax(dim=(1, 2, 3), keepdim=True)
    return (mean - low) / (high - low).clamp(min=torch.finfo(h.dtype).tiny)


def _lowest_scaled(skip: Tensor, factor: float) -> Tensor:
    """Scales the four lowest frequencies: -1 and 0 along both sides."""
    spectrum = cast("Tensor", torch.fft.fft2(skip.float())).roll((1, 1), (-2, -1))
    spectrum[..., :2, :2] *= factor
    return cast("Tensor", torch.fft.ifft2(spectrum.roll((-1, -1), (-2, -1)))).real.to(skip.dtype)
