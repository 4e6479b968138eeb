"""Interpolation on spheres: the direction of each cell's vector is turned, its length is interpolated by itself.

Source: Shoemake 1985, "Animating Rotation with Quaternion Curves", for vectors of any dimension.
"""

from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor

_PARALLEL = 1e-5


def slerp(start: Tensor, end: Tensor, share: Tensor) -> Tensor:
    """Goes along the great circle from one vector to another.

    Args:
        start: [N, C].
        end: [N, C].
        share: [N, 1], 0 gives `start`, 1 gives `end`.

    Returns:
        [N, C] whose lengths are interpolated linearly. Vectors of one direction stay as `start` is, opposite ones are
        interpolated along the straight line.
    """
    length_start, length_end = _lengths(start), _lengths(end)
    from_, to = _unit(start, length_start), _unit(end, length_end)
    cosine = (from_ * to).sum(dim=-1, keepdim=True)
    angle = cosine.clamp(-1, 1).acos()
    sine = angle.sin()
    turned = ((1 - share) * angle).sin() / sine * from_ + (share * angle).sin() / sine * to
    turned = turned * (length_start * (1 - share) + length_end * share)
    straight = start * (1 - share) + end * share
    return torch.where(cosine > 1 - _PARALLEL, start, torch.where(cosine < _PARALLEL - 1, straight, turned))


def bislerp(samples: Tensor, columns: int, rows: int) -> Tensor:
    """Scales samples [B, C, h, w] to a number of cells, first along the rows, then along the columns, by `slerp`."""
    wide = _along_last(samples, columns)
    return _along_last(wide.transpose(-1, -2), rows).transpose(-1, -2)


def _along_last(samples: Tensor, count: int) -> Tensor:
    size = samples.shape[-1]
    places = _sampled(torch.arange(size, dtype=torch.float32), count)
    following = _sampled(torch.arange(1, size + 1).clamp(max=size - 1).float(), count)
    share = (places - places.floor()).to(samples)  # [count]
    start, end = samples[..., places.long()], samples[..., following.long()]  # b c h count
    vectors = [part.float().permute(0, 2, 3, 1) for part in (start, end)]  # b h count c
    shares = share[None, None, :, None].expand(*vectors[0].shape[:3], 1).float()
    flat = slerp(vectors[0].flatten(0, 2), vectors[1].flatten(0, 2), shares.flatten(0, 2))
    return flat.reshape(vectors[0].shape).permute(0, 3, 1, 2).to(samples.dtype)


def _sampled(line: Tensor, count: int) -> Tensor:
    return F.interpolate(line[None, None], size=count, mode="linear", align_corners=False)[0, 0]


def _lengths(vectors: Tensor) -> Tensor:
    return cast("Tensor", torch.linalg.vector_norm(vectors, dim=-1, keepdim=True))


def _unit(vectors: Tensor, lengths: Tensor) -> Tensor:
    return torch.where(lengths == 0, torch.zeros_like(vectors), vectors / lengths)
