"""Planes, of pictures or of latents, laid onto others at a place."""

import torch.nn.functional as F
from torch import Tensor

from nodeflow.diffusion.masks import stretched
from nodeflow.diffusion.rows import cycled
from nodeflow.diffusion.types import Mask


def pasted(
    destination: Tensor, source: Tensor, x: int, y: int, mask: Mask | None = None, *, resize: bool = False
) -> Tensor:
    """Lays planes [B, C, H, W] onto others through a mask; what lies outside is left out.

    Args:
        destination: What is laid onto; the result has as many rows.
        source: What is laid on it, as many channels; its rows are taken again from the first where there are fewer.
        x: Column where the source begins; below 0 it begins outside.
        y: Row where it begins.
        mask: How much of the source is taken at each place, stretched to its size; all of it by default.
        resize: Whether the source is stretched to the size of the destination first.
    """
    if resize:
        source = F.interpolate(source, size=destination.shape[-2:], mode="bilinear")
    share = None if mask is None else stretched(mask, source.shape[-1], source.shape[-2]).values[:, None]
    return laid(destination, source, x, y, share)


def laid(destination: Tensor, source: Tensor, x: int, y: int, share: Tensor | None = None) -> Tensor:
    """Lays planes onto others as `pasted` does; `share` [B, 1, H, W] says how much of the source is taken where."""
    seen = (
        ...,
        _within(source.shape[-2], y, destination.shape[-2]),
        _within(source.shape[-1], x, destination.shape[-1]),
    )
    above = cycled(source, len(destination))[seen]
    left, top = max(0, x), max(0, y)
    result = destination.clone()
    covered = result[..., top : top + above.shape[-2], left : left + above.shape[-1]]
    if share is not None:
        part = cycled(share, len(destination))[seen].to(above)
        above = part * above + (1.0 - part) * covered
    covered.copy_(above)
    return result


def _within(size: int, start: int, limit: int) -> slice:
    """What of something that begins at `start` lies in 0..limit."""
    return slice(max(0, -start), max(0, min(size, limit - start)))
