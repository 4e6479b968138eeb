"""One network under several conditionings, evaluated in as few calls as their sizes and lengths allow."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from nodeflow.diffusion.models.passing import Patch
from nodeflow.diffusion.sampling.conditions import Condition, averaged, conditions_of, filled
from nodeflow.diffusion.sampling.prediction import NetworkDenoiser
from nodeflow.diffusion.types import Conditioning, Entry

Beside = Callable[[Entry, tuple[int, int]], Tensor]
"""What an editing network sees beside a latent of so many rows and columns for an entry: [1 or B, C', h, w]."""

_MAX_REPEAT = 4
"""Contexts are repeated to a common length up to so many times; beyond, a second call is cheaper."""
_CPU_ROWS = 8
"""Rows of one call on a CPU. The kernels there round a row by itself otherwise than among others, and otherwise again
among sixteen and more; in between they give one result, so that a picture does not depend on its batch."""


@dataclass(frozen=True, slots=True)
class Conditioned:
    """A network with its conditioning bound: a `Denoiser`.

    Attributes:
        network: The network.
        conditioning: On the device of the network; several entries are averaged on the denoised pictures, see
            `conditions`.
        factor: Pixels per latent cell along one side: areas are given in pixels.
        beside: What the network sees beside the latent, if it is of that kind.
    """

    network: NetworkDenoiser
    conditioning: Conditioning
    factor: int = 8
    beside: Beside | None = None

    def __call__(self, x: Tensor, sigma: Tensor) -> Tensor:
        """Denoises; see `Denoiser`."""
        return Together([self])([0], x, sigma)[0]


class Told(NamedTuple):
    """What the network is told about the rows of one call.

    Attributes:
        context: [B, L, D].
        pooled: [B, P], for networks that take a vector.
        beside: [B, C', h, w], for editing networks.
    """

    context: Tensor
    pooled: Tensor | None
    beside: Tensor | None


class Together:
    """Several sides of a run on one network. What it tells the network is put together once per run, not per step.

    Args:
        sides: All of one network.
    """

    def __init__(self, sides: Sequence[Conditioned]) -> None:
        self._sides = tuple(sides)
        self._ready: dict[tuple[int, int], tuple[tuple[Condition, ...], ...]] = {}
        self._told: dict[tuple[tuple[Condition, ...], int, int], Told] = {}

    def __call__(
        self, wanted: Sequence[int], x: Tensor, sigma: Tensor, patch: Patch | None = None, *, singly: bool = False
    ) -> list[Tensor]:
        """Evaluates some of the sides.

        Args:
            wanted: Which ones; those are put into a call in this order.
            x: [B, C, h, w].
            sigma: [B].
            patch: What is done otherwise inside the network, besides its own patches.
            singly: No call is shared by two entries.

        Returns:
            What each of them gives, [B, C, h, w]; 0 where none of its entries holds.
        """
        sides = [self._conditions(x)[side] for side in wanted]
        weights: dict[Condition, float | Tensor] = {}
        for side in sides:
            holding = {one: weight for one in side if (weight := one.weight_at(sigma)) is not None}
            weights |= filled(holding, x)
        network = self._sides[0].network if patch is None else self._sides[0].network.patched(patch)
        groups = [[one] for one in weights] if singly else list(_groups([*weights], x))
        denoised = {
            one: found
            for group in groups
            for one, found in zip(group, self._evaluated(network, group, x, sigma), strict=True)
        }
        return [averaged([(one, weights[one], denoised[one]) for one in side if one in weights], x) for side in sides]

    def _conditions(self, x: Tensor) -> tuple[tuple[Condition, ...], ...]:
        size = (x.shape[-2], x.shape[-1])
        found = self._ready.get(size)
        if found is None:
            first = self._sides[0]
            sides = [side.conditioning for side in self._sides]
            found = self._ready[size] = conditions_of(sides, size, first.factor, first.network.levels, x.device)
        return found

    def _evaluated(
        self, network: NetworkDenoiser, group: Sequence[Condition], x: Tensor, sigma: Tensor
    ) -> Iterator[Tensor]:
        """What entries of one size and compatible lengths give."""
        for chunk in _chunks(group, x.device):
            count, rows = len(chunk), len(x)
            size = rows if x.device.type != "cpu" else 1 if count == 1 else max(1, _CPU_ROWS // count)
            parts: list[Sequence[Tensor]] = []
            for start in range(0, rows, size):
                some = slice(start, min(start + size, rows))
                seen = torch.cat([one.seen(x[some]) for one in chunk])
                told = self._told_about(chunk, some, x)
                parts.append(network(seen, sigma[some].repeat(count), *told).chunk(count))
            yield from (torch.cat(part) for part in zip(*parts, strict=True))

    def _told_about(self, chunk: tuple[Condition, ...], some: slice, x: Tensor) -> Told:
        key = (chunk, some.start, some.stop)
        found = self._told.get(key)
        if found is None:
            found = self._told[key] = _told(chunk, some, x, self._sides[0].beside)
        return found


def _told(chunk: tuple[Condition, ...], some: slice, x: Tensor, look: Beside | None) -> Told:
    """Repeating a whole context changes only rounding: attention is a weighted mean."""
    rows, size = len(x), (x.shape[-2], x.shape[-1])
    length = math.lcm(*(one.entry.context.shape[1] for one in chunk))
    contexts = [
        one.entry.context.repeat(1, length // one.entry.context.shape[1], 1).expand(rows, -1, -1)[some] for one in chunk
    ]
    pooled = [one.entry.pooled.expand(rows, -1)[some] for one in chunk if one.entry.pooled is not None]
    beside = [one.seen(look(one.entry, size)).expand(rows, -1, -1, -1)[some] for one in chunk] if look else []
    return Told(torch.cat(contexts), torch.cat(pooled) if pooled else None, torch.cat(beside) if beside else None)


def _groups(conditions: Sequence[Condition], x: Tensor) -> Iterator[list[Condition]]:
    """Those that can share a call: the network sees as many cells, and is told as much or a multiple of it."""
    for alike in _by(conditions, lambda one: (one.seen(x).shape, one.entry.pooled is None)):
        lengths = {one.entry.context.shape[1] for one in alike}
        if math.lcm(*lengths) <= _MAX_REPEAT * min(lengths):
            yield alike
        else:
            yield from _by(alike, lambda one: one.entry.context.shape[1])


def _by(conditions: Sequence[Condition], key: Callable[[Condition], object]) -> Iterator[list[Condition]]:
    alike: dict[object, list[Condition]] = {}
    for one in conditions:
        alike.setdefault(key(one), []).append(one)
    yield from alike.values()


def _chunks(group: Sequence[Condition], device: torch.device) -> Iterator[tuple[Condition, ...]]:
    """The entries of a group in calls of at most `_CPU_ROWS` rows, none of them left alone."""
    count = 1 if device.type != "cpu" else math.ceil(len(group) / _CPU_ROWS)
    for part in range(count):
        yield tuple(group[part * len(group) // count : (part + 1) * len(group) // count])
