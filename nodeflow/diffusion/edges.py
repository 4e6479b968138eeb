"""Edges of pictures."""

from typing import cast

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from nodeflow.diffusion.channels import colours
from nodeflow.diffusion.errors import ValueRuleError
from nodeflow.diffusion.filters import gaussian_weights, smoothed
from nodeflow.diffusion.types import Image

_LUMA = (0.299, 0.587, 0.114)
_TINY = 1e-6
# The neighbour in each eighth of a turn, clockwise from the right, as (row, column).
_NEIGHBOURS = ((0, 1), (1, 1), (1, 0), (1, -1), (0, -1), (-1, -1), (-1, 0), (-1, 1))


def canny(image: Image, low: float = 0.4, high: float = 0.8) -> Image:
    """Finds edges (Canny, "A Computational Approach to Edge Detection", 1986), white on black.

    Grey values are smoothed by a Gaussian of one pixel over 5 x 5, their slope is that of Sobel's operator, and of it
    only what is greater than its neighbours along the slope stays. At an edge from black to white it is about 2.6.

    Args:
        image: The pictures; an alpha channel is left out.
        low: Slope from which on something may be part of an edge.
        high: Slope which every edge has somewhere.

    Raises:
        ValueRuleError: `low` is above `high`, or the pictures are smaller than 3 x 3.
    """
    if low > high:
        raise ValueRuleError(f"the low threshold {low:g} is above the high one {high:g}; swap them")
    slope, direction = _slope(colours(image))
    slope = torch.where(_is_crest(slope, direction), slope, 0.0)
    edges = torch.stack([_connected(row > low, row > high) for row in slope])
    return image.replace(pixels=edges[..., None].expand(-1, -1, -1, 3).contiguous())


def _slope(pixels: Tensor) -> tuple[Tensor, Tensor]:
    """How steep the brightness is at each pixel of [B, H, W, 3], and in which eighth of a turn it rises, [B, H, W]."""
    grey = (pixels * pixels.new_tensor(_LUMA)).sum(-1)[:, None]
    soft = smoothed(grey, gaussian_weights(2, 1.0))
    across = pixels.new_tensor([[-1.0, 0.0, 1.0], [-2.0, 0.0, 2.0], [-1.0, 0.0, 1.0]])
    sobel = torch.stack([across, across.mT])[:, None]
    x, y = F.conv2d(F.pad(soft, (1, 1, 1, 1), mode="replicate"), sobel).unbind(1)
    eighth = torch.round(torch.rad2deg(torch.atan2(y, x)) / 45.0).long() % 8
    return torch.sqrt(x * x + y * y + _TINY), eighth


def _is_crest(slope: Tensor, direction: Tensor) -> Tensor:
    """Where a slope is greater than the one uphill and no less than the one downhill: of two alike one stays."""
    around = F.pad(slope, (1, 1, 1, 1))
    high, wide = slope.shape[-2:]
    gains = torch.stack([slope - around[:, 1 + y : 1 + y + high, 1 + x : 1 + x + wide] for y, x in _NEIGHBOURS])
    uphill, downhill = (gains.gather(0, (direction + turn)[None] % 8)[0] for turn in (0, 4))
    return (uphill > 0) & (downhill >= 0)


def _connected(possible: Tensor, certain: Tensor) -> Tensor:
    """The connected regions of `possible`, diagonals included, in which something is `certain`."""
    from scipy import ndimage

    found = cast("tuple[NDArray[np.int32], int]", ndimage.label(possible.numpy(), np.ones((3, 3))))
    labels = found[0]
    kept = np.unique(labels[certain.numpy()])
    return torch.from_numpy(np.isin(labels, kept)).float()
