"""Noise, drawn on the CPU for whole batches: a picture gets the same alone, in its batch, and on any device."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from nodeflow.diffusion.batches import Item

NoiseSource = Callable[[], Tensor]
"""Gives float32 [B, C, h, w] of unit variance, new at every call."""


class ItemNoise:
    """A stream of noise for the rows of a batch: each draw is made for the full batch, and the rows' own are kept.

    The first draw is what a run begins with; the noise added at steps is a stream of its own that begins with the same
    draw, as in ComfyUI 0.3.64 on a CPU. Drawing the whole batch matters because torch gives item k of a batch and
    the k-th single draw different numbers where C h w is no multiple of 16.

    Args:
        seed: 0 to 2^64 - 1.
        items: Which item of which batch each row is.
        shape: Channels, height and width of a row.
        device: Where the noise is wanted; it is drawn on the CPU all the same.
    """

    def __init__(
        self, seed: int, items: Sequence[Item], shape: tuple[int, int, int], device: str | torch.device = "cpu"
    ) -> None:
        self._items = tuple(items)
        self._shape = shape
        self._device = device
        self._generators = {item.batch_size: torch.Generator().manual_seed(seed) for item in items}

    def __call__(self) -> Tensor:
        """Draws the next noise, [rows, C, h, w] in float32."""
        batches = {
            size: torch.randn((size, *self._shape), generator=generator) for size, generator in self._generators.items()
        }
        rows = [batches[item.batch_size][item.index] for item in self._items]
        return torch.stack(rows).to(self._device)
