"""Noise, drawn on the CPU for whole batches: a picture gets the same alone, in its batch, and on any device."""

import math
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor

from nodeflow.diffusion.batches import Item
from nodeflow.diffusion.errors import ValueRuleError

_TIME_DIGITS = 6
"""To which torchsde rounds the levels between which it knows a path."""


class Noise(Protocol):
    """Where a sampler gets noise of unit variance from, float32 [B, C, h, w] on the device of the latents."""

    def __call__(self) -> Tensor:
        """Draws the next of a stream."""
        ...

    def between(self, high: float, low: float) -> Tensor:
        """The increment of one Brownian path between two levels, `high` > `low`, divided by sqrt(high - low).

        The same two levels give the same, in whatever order they are asked for. Beyond the ends of the run, and between
        levels less than a millionth apart, the path stands still.
        """
        ...


class ItemNoise:
    """The noise of the rows of a batch: each draw is made for the full batch, and the rows' own are kept.

    The first draw is what a run begins with; the noise added at steps is a stream of its own that begins with the same
    draw, as in ComfyUI 0.3.64 on a CPU. Drawing the whole batch matters because torch gives item k of a batch and
    the k-th single draw different numbers where C h w is no multiple of 16.

    Args:
        seed: 0 to 2^64 - 1.
        items: Which item of which batch each row is.
        shape: Channels, height and width of a row.
        device: Where the noise is wanted; it is drawn on the CPU all the same.
        ends: Lowest positive and highest level of the run, for `between`.
    """

    def __init__(
        self,
        seed: int,
        items: Sequence[Item],
        shape: tuple[int, int, int],
        device: str | torch.device = "cpu",
        ends: tuple[float, float] | None = None,
    ) -> None:
        self._items = tuple(items)
        self._shape = shape
        self._device = device
        self._seed = seed
        self._ends = ends
        self._paths: dict[int, Callable[[float, float], Tensor]] = {}
        self._generators = {item.batch_size: torch.Generator().manual_seed(seed) for item in items}

    def __call__(self) -> Tensor:
        """Draws the next noise, [rows, C, h, w] in float32."""
        return self._rows(
            {
                size: torch.randn((size, *self._shape), generator=generator)
                for size, generator in self._generators.items()
            }
        )

    def between(self, high: float, low: float) -> Tensor:
        """See `Noise`.

        Raises:
            ValueRuleError: The ends of the run were not given.
        """
        if self._ends is None:
            raise ValueRuleError("this noise knows no Brownian path: the levels of the run were not given")
        start, end = (round(min(max(level, self._ends[0]), self._ends[1]), _TIME_DIGITS) for level in (low, high))
        if start == end:
            return torch.zeros(len(self._items), *self._shape, device=self._device)
        scale = -1 / math.sqrt(high - low)  # the path of k-diffusion, whose time is the level, goes the other way
        return self._rows({size: scale * self._path(size, self._ends)(start, end) for size in self._generators})

    def _path(self, size: int, ends: tuple[float, float]) -> Callable[[float, float], Tensor]:
        """The path of a batch over the whole run; between other ends it would be another one."""
        if size not in self._paths:
            from torchsde import BrownianTree

            low, high = ends
            tree: Any = BrownianTree(low, torch.zeros(size, *self._shape), high, entropy=self._seed)
            self._paths[size] = tree
        return self._paths[size]

    def _rows(self, batches: dict[int, Tensor]) -> Tensor:
        rows = [batches[item.batch_size][item.index] for item in self._items]
        drawn = torch.stack(rows)
        if torch.device(self._device).type == "cuda":
            drawn = drawn.pin_memory()  # from other memory, copying would wait for all steps under way
        return drawn.to(self._device, non_blocking=True)
