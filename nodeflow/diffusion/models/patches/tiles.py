"""Self-attention in tiles."""

import random
from dataclasses import dataclass, replace

from torch import Tensor

from nodeflow.diffusion.models.passing import Attend, AttentionLayer, Patch, Place

_CELL = 8
"""Pixels along one side of a latent cell."""
_SMALLEST = 32
"""Pixels along one side of a tile, at least."""


@dataclass(frozen=True, slots=True)
class HyperTile(Patch):
    """HyperTile (github.com/tfernd/HyperTile): where pictures are large, pixels look at their own tile only.

    The tiles are as large as they must be or somewhat larger, drawn anew at each step, so that their edges wander.

    Attributes:
        tile_size: Pixels along one side of a tile, at least.
        swap_size: How many sizes of tiles are drawn from, counting the largest, which is not drawn unless it is all.
        max_depth: How many halvings of the latent it goes down to.
        scale_depth: Tiles have twice as many cells along each side with every halving.
        chance: What the draws follow from.
    """

    tile_size: int = 256
    swap_size: int = 2
    max_depth: int = 0
    scale_depth: bool = False
    chance: str = ""

    def at(self, seed: int, timestep: Tensor) -> Patch:
        """See `Patch`."""
        return replace(self, chance=f"{seed}/{float(timestep[0]):g}")

    def self_attention(self, attend: Attend, attention: AttentionLayer, x: Tensor, place: Place) -> Tensor:
        """See `Patch`."""
        depth = _depth(place)
        if depth > self.max_depth:
            return attend(x, None)
        least = max(_SMALLEST, self.tile_size) // _CELL * (2**depth if self.scale_depth else 1)
        chosen = random.Random(f"{self.chance}/{place.stage}/{place.index}/{place.block}")
        down, across = (self._count(side, least, chosen) for side in place.size)
        if down * across == 1:
            return attend(x, None)
        rows, (height, width) = len(x), place.size
        high, wide = height // down, width // across
        tiles = x.reshape(rows, down, high, across, wide, -1).transpose(2, 3).reshape(-1, high * wide, x.shape[-1])
        attended = attend(tiles, None).reshape(rows, down, across, high, wide, -1)
        return attended.transpose(2, 3).reshape(rows, height * width, -1)

    def _count(self, side: int, least: int, chosen: random.Random) -> int:
        """How many tiles there are along a side."""
        lengths = [length for length in range(min(least, side), side + 1) if side % length == 0][: self.swap_size]
        return side // chosen.choice(lengths[:-1] or lengths)


def _depth(place: Place) -> int:
    """How often the latent was halved on the way here."""
    return max(round(full / side).bit_length() - 1 for full, side in zip(place.full, place.size, strict=True))
