"""Guidance: denoisers made of denoisers, bound to what the picture should and should not follow."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from nodeflow.diffusion.sampling.prediction import Denoiser, NetworkDenoiser
from nodeflow.diffusion.types import Conditioning, Entry

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
        conditioning: On the device of the network; several entries are averaged by strength on the denoised pictures.
    """

    network: NetworkDenoiser
    conditioning: Conditioning

    def __call__(self, x: Tensor, sigma: Tensor) -> Tensor:
        """Denoises; see `Denoiser`."""
        return together([self], x, sigma)[0]


@dataclass(frozen=True, slots=True)
class Guided:
    """Classifier-free guidance (Ho and Salimans 2022, 2207.12598, eq. 6): a `Denoiser` beyond the positive one.

    The equation is applied to denoised pictures, which for every prediction is the same as applying it to noise.

    Attributes:
        positive: What the picture should follow.
        negative: What it should be moved away from.
        scale: 1 is the positive one alone.
    """

    positive: Denoiser
    negative: Denoiser
    scale: float

    def __call__(self, x: Tensor, sigma: Tensor) -> Tensor:
        """Denoises; see `Denoiser`."""
        away, towards = _both(self.negative, self.positive, x, sigma)
        return away + (towards - away) * self.scale


def guided(positive: Denoiser, negative: Denoiser, scale: float) -> Denoiser:
    """Guides one denoiser away from another; at scale 1 the negative one is never evaluated."""
    return positive if math.isclose(scale, 1.0) else Guided(positive, negative, scale)


@dataclass(frozen=True, slots=True)
class Masked:
    """A `Denoiser` that changes a latent only where a mask allows.

    Outside, the network sees the given latent with the noise of the run, and the result is that latent (RePaint's
    known region, 2201.09865, eq. 8a, with one fixed noise).

    Attributes:
        inner: What is masked.
        latent: [B, C, h, w], what stays outside of the mask, in the network's space.
        noise: Unit variance, the noise the run began with.
        mask: [B or 1, 1, h, w] in 0..1; 1 is free.
        is_flow: How noise is added, see `prediction.noised`.
    """

    inner: Denoiser
    latent: Tensor
    noise: Tensor
    mask: Tensor
    is_flow: bool = False

    def __call__(self, x: Tensor, sigma: Tensor) -> Tensor:
        """Denoises; see `Denoiser`."""
        level = sigma[:, None, None, None]
        known = (1 - level if self.is_flow else 1) * self.latent + level * self.noise
        denoised = self.inner(x * self.mask + known * (1 - self.mask), sigma)
        return denoised * self.mask + self.latent * (1 - self.mask)


def together(sides: Sequence[Conditioned], x: Tensor, sigma: Tensor) -> list[Tensor]:
    """Evaluates one network under several conditionings, in as few calls as their lengths allow.

    Args:
        sides: All of the same network.
        x: [B, C, h, w].
        sigma: [B].

    Returns:
        What each side gives, [B, C, h, w] each.
    """
    entries = [entry for side in sides for entry in side.conditioning.entries]
    denoised = iter(_entries_denoised(sides[0].network, entries, x, sigma))
    return [_averaged([(entry.strength, next(denoised)) for entry in side.conditioning.entries]) for side in sides]


def _both(first: Denoiser, second: Denoiser, x: Tensor, sigma: Tensor) -> Sequence[Tensor]:
    if isinstance(first, Conditioned) and isinstance(second, Conditioned) and first.network == second.network:
        return together([first, second], x, sigma)
    return first(x, sigma), second(x, sigma)


def _averaged(parts: Sequence[tuple[float, Tensor]]) -> Tensor:
    if len(parts) == 1:
        return parts[0][1]
    total = sum(strength for strength, _ in parts)
    return torch.stack([denoised * (strength / total) for strength, denoised in parts]).sum(dim=0)


def _entries_denoised(network: NetworkDenoiser, entries: Sequence[Entry], x: Tensor, sigma: Tensor) -> list[Tensor]:
    lengths = {entry.context.shape[1] for entry in entries}
    common = math.lcm(*lengths)
    if common > _MAX_REPEAT * min(lengths):
        return [_call(network, [entry], x, sigma, entry.context.shape[1])[0] for entry in entries]
    return _call(network, entries, x, sigma, common)


def _call(network: NetworkDenoiser, entries: Sequence[Entry], x: Tensor, sigma: Tensor, length: int) -> list[Tensor]:
    """All entries together. Repeating a whole context changes only rounding: attention is a weighted mean."""
    rows, count = len(x), len(entries)
    contexts = torch.stack(
        [entry.context.repeat(1, length // entry.context.shape[1], 1).expand(rows, -1, -1) for entry in entries]
    )  # n b l d
    pooled = [entry.pooled.expand(rows, -1) for entry in entries if entry.pooled is not None]
    vectors = torch.stack(pooled) if pooled else None  # n b p
    size = rows if x.device.type != "cpu" else 1 if count == 1 else max(1, _CPU_ROWS // count)
    parts = [
        network(
            x[some].repeat(count, 1, 1, 1),
            sigma[some].repeat(count),
            contexts[:, some].flatten(0, 1),
            None if vectors is None else vectors[:, some].flatten(0, 1),
        ).chunk(count)
        for some in (slice(start, start + size) for start in range(0, rows, size))
    ]
    return [torch.cat(part) for part in zip(*parts, strict=True)]
