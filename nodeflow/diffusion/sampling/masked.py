"""Sampling under a noise mask: what lies outside of it stays, all the way or from some level on."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from nodeflow.diffusion.protocols import Both, Denoiser, Masking, TwoSided
from nodeflow.diffusion.sampling.prediction import NoiseLevels
from nodeflow.diffusion.types import Mask


@dataclass(frozen=True, slots=True)
class Progress:
    """How much of a run is left, in timesteps of the network.

    Attributes:
        levels: Of the network, on the device where the run is.
        first: The timestep the run begins at, [1].
        last: The timestep it ends at, [1].
    """

    levels: NoiseLevels
    first: Tensor
    last: Tensor

    @classmethod
    def of(cls, sigmas: Tensor, levels: NoiseLevels, device: str | torch.device) -> "Progress":
        """The progress of a run between the first and the last of `sigmas`, the network's lowest level at least."""
        ends = torch.stack([sigmas[0], sigmas[-1].clamp(min=levels.sigma_min)])
        timesteps = levels.timestep(ends).to(device)
        return cls(levels.to(device), timesteps[:1], timesteps[1:])

    def left(self, sigma: Tensor) -> Tensor:
        """The share of the timesteps that is left at `sigma` [B], from 1 down to 0."""
        whole = self.first - self.last
        return (self.levels.timestep(sigma) - self.last) / (whole + (whole == 0))


@dataclass(frozen=True, slots=True)
class Graded:
    """Differential diffusion (2306.00950): the brighter a mask, the earlier its cells become free.

    Attributes:
        strength: Share of this in the mask; the rest is the mask as it is.
    """

    strength: float = 1.0

    def at(self, mask: Tensor, left: Tensor) -> Tensor:
        """The mask at one level; see `Masking`."""
        free = (mask >= left).to(mask.dtype)
        return free if self.strength >= 1.0 else mask + (free - mask) * self.strength


@dataclass(frozen=True, slots=True)
class Masked:
    """A `Denoiser` that changes a latent only where a mask allows.

    Outside, the network sees the given latent with the noise of the run, and the result is that latent (RePaint's
    known region, 2201.09865, eq. 8a, with one fixed noise).

    Attributes:
        inner: What is masked.
        latent: [B, C, h, w], what stays outside of the mask, in the network's space.
        noise: Unit variance, the noise the run began with.
        mask: [B or 1, 1, h, w] in 0..1; 1 is free.
        is_flow: How noise is added, see `prediction.noised`.
        masking: How the mask is read as the run goes on; None takes it as it is.
        progress: Of the run; needed where there is a `masking`.
    """

    inner: Denoiser
    latent: Tensor
    noise: Tensor
    mask: Tensor
    is_flow: bool = False
    masking: Masking | None = None
    progress: Progress | None = None

    def __call__(self, x: Tensor, sigma: Tensor) -> Tensor:
        """Denoises; see `Denoiser`."""
        mask = self._mask_at(sigma)
        return self._outside_kept(self.inner(self._seen(x, sigma, mask), sigma), mask)

    def both(self, x: Tensor, sigma: Tensor) -> Both:
        """Denoises; the negative side is what it gives, without the known region. See `TwoSided`."""
        assert isinstance(self.inner, TwoSided)
        mask = self._mask_at(sigma)
        found = self.inner.both(self._seen(x, sigma, mask), sigma)
        return Both(self._outside_kept(found.denoised, mask), found.negative)

    def _mask_at(self, sigma: Tensor) -> Tensor:
        if self.masking is None or self.progress is None:
            return self.mask
        return self.masking.at(self.mask, self.progress.left(sigma)[:, None, None, None])

    def _seen(self, x: Tensor, sigma: Tensor, mask: Tensor) -> Tensor:
        level = sigma[:, None, None, None]
        known = (1 - level if self.is_flow else 1) * self.latent + level * self.noise
        return x * mask + known * (1 - mask)

    def _outside_kept(self, denoised: Tensor, mask: Tensor) -> Tensor:
        return denoised * mask + self.latent * (1 - mask)


def in_cells(mask: Mask, size: tuple[int, int], device: str | torch.device) -> Tensor:
    """A mask at the size of a latent, [1 or B, 1, h, w]; its edges become soft, as between pixels (bilinear)."""
    values = mask.values.to(device)[:, None]  # b 1 h w
    return F.interpolate(values, size=size, mode="bilinear", align_corners=False)
