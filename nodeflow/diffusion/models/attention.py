"""Attention of queries to keys and values (Vaswani et al. 2017, arXiv:1706.03762, eq. 1), as fast as it gets."""

import math
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor

from nodeflow.diffusion.memory import by_products

_SCORES = 2**20
"""Scores that are held at a time, so that they stay in the caches and memory stays bounded."""
_LEAST_ROWS = 64
"""Queries of a piece; products of fewer rows are slow."""
_SAFE = 100.0
"""Powers of two up to which sums of exponentials neither overflow nor vanish in bf16, whose range is that of fp32."""
_LANES = 16
"""Columns that the kernels work on at a time."""


def attention(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Attends.

    Args:
        query: [B, heads, N, d].
        key: [B, heads, M, d].
        value: [B, heads, M, d].

    Returns:
        [B, heads, N, d].
    """
    if by_products(query):
        return _by_products(query, key, value)
    return F.scaled_dot_product_attention(query, key, value)


def _by_products(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Attention as two matrix products around exponentials, a piece of the queries at a time.

    The mean of the keys is taken off first. That changes all scores of a query by one number, which makes no difference
    to their softmax, and leaves smaller ones, which are rounded less. Where they are small enough nothing else has to
    be subtracted before exponentials are taken, and a column of ones beside the values sums them up.
    """
    batch, heads, queries, width = query.shape
    groups, keys = batch * heads, key.shape[2]
    scaled = (query * (math.log2(math.e) / math.sqrt(width))).reshape(groups, queries, width)
    centred = (key - key.mean(dim=2, keepdim=True)).reshape(groups, keys, width)
    safe = float(_longest(scaled) * _longest(centred)) < _SAFE  # Cauchy and Schwarz
    padded = value.new_zeros(groups, keys, -(-(width + 1) // _LANES) * _LANES)
    padded[..., :width] = value.reshape(groups, keys, width)
    padded[..., width] = 1
    result = query.new_empty(groups, queries, width)
    rows = min(queries, max(_LEAST_ROWS, _SCORES // keys))
    some = max(1, _SCORES // (rows * keys))
    for first in range(0, groups, some):
        turned, given = centred[first : first + some].transpose(1, 2), padded[first : first + some]
        for row in range(0, queries, rows):
            scores = torch.bmm(scaled[first : first + some, row : row + rows], turned)
            if not safe:
                scores -= scores.amax(dim=-1, keepdim=True)
            sums = torch.bmm(scores.exp2_(), given)
            piece = result[first : first + some, row : row + rows]
            torch.div(sums[..., :width], sums[..., width : width + 1], out=piece)
    return result.view(batch, heads, queries, width)


def _longest(rows: Tensor) -> Tensor:
    return cast("Tensor", torch.linalg.vector_norm(rows, dim=-1)).max()
