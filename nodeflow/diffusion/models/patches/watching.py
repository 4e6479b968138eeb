"""A look at where self-attention goes."""

from dataclasses import dataclass, field

import torch
from torch import Tensor

from nodeflow.diffusion.models.passing import Attend, AttentionLayer, Patch, Place


@dataclass(frozen=True, slots=True)
class WatchedAttention(Patch):
    """Keeps how much each place in the middle of the UNet is looked at; changes nothing. For one evaluation.

    Attributes:
        seen: [B, h, w] of each call, with the size of the latent: the sum over all places of the attention that one
            gets from them, mean over heads; 1 is the average.
    """

    seen: list[tuple[Tensor, tuple[int, int]]] = field(default_factory=list[tuple[Tensor, tuple[int, int]]])

    def self_attention(self, attend: Attend, attention: AttentionLayer, x: Tensor, place: Place) -> Tensor:
        """See `Patch`."""
        if place.stage == "middle" and place.block == 0:
            received = _received(attention, x).reshape(-1, *place.size)  # b h w
            self.seen.append((received, place.full))
        return attend(x, None)


def _received(attention: AttentionLayer, x: Tensor) -> Tensor:
    """What every place gets, [B, N], in float32."""
    rows, places, _ = x.shape
    q, k = (
        layer(x).float().reshape(rows, places, attention.heads, -1).transpose(1, 2)  # b heads n d
        for layer in (attention.to_q, attention.to_k)
    )
    weights = torch.softmax(q @ k.mT * q.shape[-1] ** -0.5, dim=-1)
    return weights.sum(dim=2).mean(dim=1)
