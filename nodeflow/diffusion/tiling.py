"""Applying a network piece by piece: tiles that overlap, and fade into each other where they do."""

from collections.abc import Callable, Iterator
from itertools import product

import torch
from torch import Tensor

Size = tuple[int, int]
"""Height and width."""


def in_three_tilings(function: Callable[[Tensor], Tensor], x: Tensor, tile: int, overlap: int, scale: float) -> Tensor:
    """The mean of three tilings, square, wide and tall: their seams are at different places. As in ComfyUI.

    Args:
        function: [1, C, h, w] to [1, D, h scale, w scale].
        x: [B, C, H, W].
        tile: Side of the square tiles; the others are half as long one way and twice the other.
        overlap: How far neighbours lie over each other, less than half of `tile`.
        scale: What the function does to the size.

    Returns:
        [B, D, H scale, W scale].
    """
    sizes = ((tile * 2, tile // 2), (tile // 2, tile * 2), (tile, tile))
    return torch.stack([tiled(function, x, size, overlap, scale) for size in sizes]).mean(dim=0)


def tiled(function: Callable[[Tensor], Tensor], x: Tensor, tile: Size, overlap: int, scale: float) -> Tensor:
    """Applies a function tile by tile; for the arguments see `in_three_tilings`. A row that fits one tile is one."""
    return torch.cat([_row(function, x[row : row + 1], tile, overlap, scale) for row in range(len(x))])


def _row(function: Callable[[Tensor], Tensor], x: Tensor, tile: Size, overlap: int, scale: float) -> Tensor:
    high, wide = x.shape[-2:]
    if high <= tile[0] and wide <= tile[1]:
        return function(x)
    total = weights = torch.empty(0)
    for top, left in product(_starts(high, tile[0], overlap), _starts(wide, tile[1], overlap)):
        part = function(x[..., top : top + tile[0], left : left + tile[1]])
        if not total.numel():
            shape = (1, part.shape[1], round(high * scale), round(wide * scale))
            total, weights = part.new_zeros(shape), part.new_zeros((1, 1, *shape[2:]))
        mask = _ramp(part.shape[2], round(overlap * scale), part)[:, None] * _ramp(
            part.shape[3], round(overlap * scale), part
        )
        y, z = round(top * scale), round(left * scale)
        total[..., y : y + part.shape[2], z : z + part.shape[3]] += part * mask
        weights[..., y : y + part.shape[2], z : z + part.shape[3]] += mask
    return total / weights


def _starts(size: int, tile: int, overlap: int) -> Iterator[int]:
    if size <= tile:
        yield 0
        return
    for start in range(0, size - overlap, tile - overlap):
        yield min(size - overlap, start)


def _ramp(size: int, feather: int, like: Tensor) -> Tensor:
    """[size] rising from 1 / feather to 1 and falling again; all ones where it is shorter than the feather."""
    line = torch.ones(size, dtype=like.dtype, device=like.device)
    if feather < size:
        rise = torch.arange(1, feather + 1, dtype=like.dtype, device=like.device) / feather if feather else line[:0]
        line[:feather] *= rise
        line[size - feather :] *= rise.flip(0)
    return line
