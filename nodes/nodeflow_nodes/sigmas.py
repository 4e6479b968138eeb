"""Nodes that divide and change noise levels."""

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import pairwise
from types import MappingProxyType
from typing import Annotated, Literal, NamedTuple

from nodeflow.api import Field, Fraction, InputError, Lane, node
from nodeflow.diffusion.types import Model, Sigmas

Spacing = Literal["linear", "cosine", "sine"]
Level = Annotated[float, Field(ge=0, le=20_000)]

_LEAST = 0.0001
"""What levels that rise begin with instead of 0, as in ComfyUI."""
_SPACED: Mapping[str, Callable[[float], float]] = MappingProxyType(
    {
        "linear": lambda share: share,
        "cosine": lambda share: math.sin(share * math.pi / 2),
        "sine": lambda share: 1 - math.cos(share * math.pi / 2),
    }
)


class Split(NamedTuple):
    """Noise levels in two parts, which have the level between them in common.

    Attributes:
        high_sigmas: The first part.
        low_sigmas: The second part.
    """

    high_sigmas: Sigmas
    low_sigmas: Sigmas


@node("SplitSigmas", category="sampling/sigmas", title="Split noise levels", lane=Lane.CPU)
def split_sigmas(sigmas: Sigmas, step: Annotated[int, Field(ge=0, le=10_000)] = 0) -> Split:
    """Divide noise levels after a number of steps.

    Args:
        sigmas: The noise levels.
        step: How many steps the first part has.
    """
    return Split(Sigmas(sigmas.values[: step + 1]), Sigmas(sigmas.values[step:]))


@node("SplitSigmasDenoise", category="sampling/sigmas", title="Split noise levels by share", lane=Lane.CPU)
def split_sigmas_denoise(sigmas: Sigmas, denoise: Fraction = 1.0) -> Split:
    """Divide noise levels so that the second part has a share of the steps.

    Args:
        sigmas: The noise levels.
        denoise: Share of the steps in the second part.
    """
    first = sigmas.steps - round(sigmas.steps * denoise)
    return Split(Sigmas(sigmas.values[: first + 1]), Sigmas(sigmas.values[first:]))


@node("FlipSigmas", category="sampling/sigmas", title="Reverse noise levels", lane=Lane.CPU)
def flip_sigmas(sigmas: Sigmas) -> Sigmas:
    """Turn noise levels around: with them, and without adding noise, `euler` goes from a picture to its noise.

    Args:
        sigmas: The noise levels; a 0 that comes first becomes 0.0001.
    """
    turned = sigmas.values[::-1]
    return Sigmas((_LEAST, *turned[1:]) if turned[:1] == (0.0,) else turned)


@node("SetFirstSigma", category="sampling/sigmas", title="Set the first noise level", lane=Lane.CPU)
def set_first_sigma(sigmas: Sigmas, sigma: Level = 136.0) -> Sigmas:
    """Replace the first noise level.

    Args:
        sigmas: The noise levels.
        sigma: What the first one becomes.
    """
    if not sigmas.values:
        raise InputError("sigmas", "there is no noise level to replace; choose a denoise above 0 where they are made")
    return replace(sigmas, values=(sigma, *sigmas.values[1:]))


@node("ExtendIntermediateSigmas", category="sampling/sigmas", title="More noise levels between", lane=Lane.CPU)
def extend_intermediate_sigmas(
    sigmas: Sigmas,
    steps: Annotated[int, Field(ge=1, le=100)] = 2,
    start_at_sigma: Annotated[float, Field(ge=-1, le=20_000)] = -1.0,
    end_at_sigma: Level = 12.0,
    spacing: Spacing = "linear",
) -> Sigmas:
    """Make several steps of each one that starts within a range of noise levels.

    Args:
        sigmas: The noise levels.
        steps: How many steps each of them becomes.
        start_at_sigma: Steps from higher levels stay as they are; below 0 means no such limit.
        end_at_sigma: Steps from lower levels stay as they are.
        spacing: How the new levels lie: evenly, nearer to the end of the step, or nearer to its start.
    """
    highest = start_at_sigma if start_at_sigma >= 0 else math.inf
    shares = [0.0, *(_SPACED[spacing](part / steps) for part in range(1, steps))]
    levels: list[float] = []
    for high, low in pairwise(sigmas.values):
        levels += [high + share * (low - high) for share in (shares if end_at_sigma <= high <= highest else shares[:1])]
    return Sigmas((*levels, *sigmas.values[-1:]))


class NoiseLevel(NamedTuple):
    """A noise level.

    Attributes:
        sigma_value: The level.
    """

    sigma_value: float


@node("SamplingPercentToSigma", category="sampling/sigmas", title="Noise level at a share of the way")
def sampling_percent_to_sigma(
    model: Model, sampling_percent: Fraction = 0.0, return_actual_sigma: bool = False
) -> NoiseLevel:
    """Tell the noise level after a share of a model's timesteps.

    Args:
        model: The network whose noise levels these are.
        sampling_percent: The share, 0 being the start of sampling.
        return_actual_sigma: At 0 and 1 give the model's highest and lowest level, not values beyond all levels, which
            ranges are compared with.
    """
    from nodeflow.diffusion.sampling.prediction import levels_of

    levels = levels_of(model.prediction, zero_terminal=model.zero_terminal)
    if return_actual_sigma and sampling_percent in (0.0, 1.0):
        return NoiseLevel(levels.sigma_max if sampling_percent == 0.0 else levels.sigma_min)
    return NoiseLevel(levels.at(sampling_percent))
