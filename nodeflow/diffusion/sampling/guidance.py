"""Guidance: denoisers made of denoisers, bound to what the picture should and should not follow."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from nodeflow.diffusion.models.passing import Patch
from nodeflow.diffusion.protocols import Both, Denoiser, Guidance, Sides, TwoSided
from nodeflow.diffusion.sampling.prediction import NetworkDenoiser
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


class Pair:
    """The `Sides` of a run.

    Args:
        positive: What the picture should follow.
        negative: What it should be moved away from.
        scale: Of guidance.
        both: Both are needed at every point, so they are evaluated in one call.
    """

    def __init__(self, positive: Denoiser, negative: Denoiser, scale: float, *, both: bool) -> None:
        self.scale = scale
        self._ends = (positive, negative)
        self._together = both
        self._point: tuple[Tensor, Tensor] | None = None
        self._known: list[Tensor | None] = [None, None]

    def positive(self, x: Tensor, sigma: Tensor) -> Tensor:
        """What the positive side gives; a `Denoiser`."""
        return self._at(0, x, sigma, alone=not self._together)

    def negative(self, x: Tensor, sigma: Tensor) -> Tensor:
        """What the negative side gives; a `Denoiser`."""
        return self._at(1, x, sigma, alone=False)

    def alone(self, x: Tensor, sigma: Tensor) -> Tensor:
        """What the positive side gives, the negative one not being needed at this point; a `Denoiser`."""
        return self._at(0, x, sigma, alone=True)

    def patched(self, patch: Patch, x: Tensor, sigma: Tensor, *, negative: bool = False) -> Tensor:
        """What a side gives when its network is patched once more; a `Denoiser`."""
        end = self._ends[int(negative)]
        assert isinstance(end, Conditioned)
        return replace(end, network=end.network.patched(patch))(x, sigma)

    def under(self, conditioning: Conditioning, x: Tensor, sigma: Tensor) -> Tensor:
        """What the network gives under another conditioning; a `Denoiser`."""
        end = self._ends[0]
        assert isinstance(end, Conditioned)
        return replace(end, conditioning=conditioning.to(x.device))(x, sigma)

    def _at(self, side: int, x: Tensor, sigma: Tensor, *, alone: bool) -> Tensor:
        if self._point is None or self._point[0] is not x or self._point[1] is not sigma:
            self._point, self._known = (x, sigma), [None, None]
        found = self._known[side]
        if found is None and not alone and self._known == [None, None]:
            away, towards = _both(self._ends[1], self._ends[0], x, sigma)
            self._known = [towards, away]
            found = self._known[side]
        if found is None:
            found = self._known[side] = self._ends[side](x, sigma)
        return found


@dataclass(frozen=True, slots=True)
class Guided:
    """Classifier-free guidance (Ho and Salimans 2022, 2207.12598, eq. 6): a `Denoiser` beyond the positive one.

    The equation is applied to denoised pictures, which for every prediction is the same as applying it to noise.

    Attributes:
        sides: What is guided, and the scale: 1 is the positive side alone.
    """

    sides: Sides

    def __call__(self, x: Tensor, sigma: Tensor) -> Tensor:
        """Denoises; see `Denoiser`."""
        if math.isclose(self.sides.scale, 1.0):
            return self.sides.positive(x, sigma)
        away = self.sides.negative(x, sigma)
        return away + (self.sides.positive(x, sigma) - away) * self.sides.scale


@dataclass(frozen=True, slots=True)
class Steered:
    """The whole guidance of a run; a `TwoSided` denoiser.

    Attributes:
        guided: Classifier-free guidance, and around it what the model carries.
        sides: Its two sides.
    """

    guided: Denoiser
    sides: Sides

    def __call__(self, x: Tensor, sigma: Tensor) -> Tensor:
        """Denoises; see `Denoiser`."""
        return self.guided(x, sigma)

    def both(self, x: Tensor, sigma: Tensor) -> Both:
        """Denoises, and tells the negative side; see `TwoSided`."""
        return Both(self.guided(x, sigma), self.sides.negative(x, sigma))


def steered(
    positive: Denoiser,
    negative: Denoiser,
    scale: float,
    guidance: Sequence[Guidance] = (),
    *,
    negative_wanted: bool = False,
) -> Steered:
    """Guides one denoiser away from another; where nothing needs the negative one it is never evaluated.

    Args:
        positive: What the picture should follow.
        negative: What it should be moved away from.
        scale: Of guidance.
        guidance: What is changed about it, the first one innermost.
        negative_wanted: The sampler needs the negative side by itself.
    """
    both = negative_wanted or not math.isclose(scale, 1.0) or any(each.needs_negative for each in guidance)
    sides = Pair(positive, negative, scale, both=both)
    denoiser: Denoiser = Guided(sides)
    for each in guidance:
        denoiser = each.wrap(denoiser, sides)
    return Steered(denoiser, sides)


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
        return self._outside_kept(self.inner(self._seen(x, sigma), sigma))

    def both(self, x: Tensor, sigma: Tensor) -> Both:
        """Denoises; the negative side is what it gives, without the known region. See `TwoSided`."""
        assert isinstance(self.inner, TwoSided)
        found = self.inner.both(self._seen(x, sigma), sigma)
        return Both(self._outside_kept(found.denoised), found.negative)

    def _seen(self, x: Tensor, sigma: Tensor) -> Tensor:
        level = sigma[:, None, None, None]
        known = (1 - level if self.is_flow else 1) * self.latent + level * self.noise
        return x * self.mask + known * (1 - self.mask)

    def _outside_kept(self, denoised: Tensor) -> Tensor:
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
