"""Self-attention of fewer pixels than there are."""

import random
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from nodeflow.diffusion.models.passing import Attend, AttentionLayer, Patch, Place


@dataclass(frozen=True, slots=True)
class MergedTokens(Patch):
    """Token merging (Bolya and Hoffman 2023, 2303.17604): where features are as large as the latent, pixels that are
    most alike ask together, and get the same answer; what they look at stays whole.

    Of every 2 x 2 pixels one, drawn anew at each step, is what the others may be merged into.

    Attributes:
        ratio: Share of the pixels that is merged into others; three quarters at most are.
        chance: What the draws follow from.
    """

    ratio: float = 0.3
    chance: str = ""

    def at(self, seed: int, timestep: Tensor) -> Patch:
        """See `Patch`."""
        return replace(self, chance=f"{seed}/{float(timestep[0]):g}")

    def self_attention(self, attend: Attend, attention: AttentionLayer, x: Tensor, place: Place) -> Tensor:
        """See `Patch`."""
        count = int(x.shape[1] * self.ratio)
        if place.size != place.full or count == 0 or min(place.size) < 2:
            return attend(x, None)
        chosen = random.Random(f"{self.chance}/{place.stage}/{place.index}/{place.block}")
        slots = merging(x, destinations(place.size, chosen.getrandbits(63)).to(x.device), count)  # b n
        index = slots[:, :, None].expand_as(x)
        fewer = x.new_zeros(len(x), x.shape[1] - min(count, _mergeable(place.size)), x.shape[2])
        merged = fewer.scatter_reduce(1, index, x, "mean", include_self=False)
        return attend(merged, x).gather(1, index)


def destinations(size: tuple[int, int], seed: int) -> Tensor:
    """One pixel of every whole 2 x 2 block, as a mask [h, w]."""
    blocks = (size[0] // 2, size[1] // 2)
    which = torch.randint(4, blocks, generator=torch.Generator().manual_seed(seed))
    cells = F.one_hot(which, 4).bool().reshape(*blocks, 2, 2).transpose(1, 2).reshape(2 * blocks[0], 2 * blocks[1])
    return F.pad(cells, (0, size[1] % 2, 0, size[0] % 2))


def merging(x: Tensor, kept: Tensor, count: int) -> Tensor:
    """Says which pixels become one: bipartite soft matching (Bolya et al. 2022, 2210.09461, section 3.1).

    Args:
        x: [B, N, C], what tells how alike pixels are, by the cosine between them.
        kept: [h, w], the pixels that others may be merged into.
        count: How many are to be merged, if there are so many others.

    Returns:
        [B, N], for each pixel its place in the shorter sequence.
    """
    into, others = (chosen.flatten().nonzero()[:, 0] for chosen in (kept, ~kept))
    directions = F.normalize(x.float(), dim=2)
    alike, nearest = (directions[:, others] @ directions[:, into].mT).max(dim=2)  # b others
    order = alike.argsort(dim=1, descending=True, stable=True)
    rest = order[:, count:]
    own = torch.arange(len(into), len(into) + rest.shape[1], device=x.device).expand_as(rest)
    slots = nearest.scatter(1, rest, own)
    found = slots.new_empty(x.shape[:2])
    found[:, into] = torch.arange(len(into), device=x.device)
    found[:, others] = slots
    return found


def _mergeable(size: tuple[int, int]) -> int:
    return size[0] * size[1] - (size[0] // 2) * (size[1] // 2)
