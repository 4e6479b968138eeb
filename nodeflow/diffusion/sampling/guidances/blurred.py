"""Guidance away from what the network makes of a picture that is blurred where it looks most."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from nodeflow.diffusion.models.patches.watching import WatchedAttention
from nodeflow.diffusion.protocols import Denoiser, Guidance, Sides, Stage

_THRESHOLD = 1.0
"""Attention that a place gets, above which it is blurred; 1 is the mean."""
_KERNEL = 9
"""Cells along one side of the Gaussian kernel."""
_SMALLEST = 5
"""Cells along each side that a latent needs for the kernel's border."""


@dataclass(frozen=True, slots=True)
class SelfAttentionGuidance(Guidance):
    """Self-attention guidance (Hong et al. 2022, 2210.00939, algorithm 1): one more evaluation per step.

    Attributes:
        scale: How strongly to move away.
        blur_sigma: Of the Gaussian, in cells of the latent.
    """

    scale: float = 0.5
    blur_sigma: float = 2.0

    @property
    def stage(self) -> Stage:
        """It adds to what other guidance gives."""
        return Stage.ADD

    @property
    def needs_negative(self) -> bool:
        """Its picture is the one that is blurred."""
        return True

    def wrap(self, inner: Denoiser, sides: Sides) -> Denoiser:
        """See `Guidance`."""

        def sharpened(x: Tensor, sigma: Tensor) -> Tensor:
            size = (x.shape[-2], x.shape[-1])
            if min(size) < _SMALLEST:
                return inner(x, sigma)
            watch = WatchedAttention()
            picture = sides.watched(watch, x, sigma)
            guided = inner(x, sigma)
            whole = [received for received, full in watch.seen if full == size]
            if not whole:  # the network has no attention in its middle, or no negative entry sees the whole picture
                return guided
            received = torch.stack(torch.split(torch.cat(whole), len(x))).mean(dim=0)  # b h w
            chosen = F.interpolate((received > _THRESHOLD).to(x.dtype)[:, None], size=size)
            worse = picture + (blurred(picture, self.blur_sigma) - picture) * chosen
            again = sides.apart(worse + (x - picture), sigma, negative=True)
            return guided + (worse - again) * self.scale

        return sharpened


def blurred(latent: Tensor, sigma: float) -> Tensor:
    """A latent [B, C, h, w] under a Gaussian of 9 x 9 cells, mirrored at the edges; itself where sigma is 0."""
    if sigma == 0.0:
        return latent
    reach = _KERNEL // 2
    places = torch.arange(-reach, reach + 1, dtype=latent.dtype, device=latent.device)
    weights = torch.exp(-0.5 * (places / sigma) ** 2)
    line = weights / weights.sum()
    kernel = (line[:, None] * line).expand(latent.shape[1], 1, -1, -1)
    return F.conv2d(F.pad(latent, (reach,) * 4, mode="reflect"), kernel, groups=latent.shape[1])
