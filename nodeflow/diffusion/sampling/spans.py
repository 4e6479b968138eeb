"""Which part of a schedule a run takes: levels left out, and steps from one to another."""

import torch
from torch import Tensor

from nodeflow.diffusion.sampling.prediction import NoiseLevels
from nodeflow.diffusion.sampling.schedules import Schedule


def without_penultimate(schedule: Schedule) -> Schedule:
    """The schedule of one step more, whose level before the last is left out.

    Samplers that look at a level between each two would otherwise spend their last step between two levels that are
    almost zero. ComfyUI's KSampler does this for them, its SamplerCustom does not.
    """

    def thinned(levels: NoiseLevels, steps: int) -> Tensor:
        sigmas = schedule(levels, steps + 1)
        return torch.cat([sigmas[:-2], sigmas[-1:]])

    return thinned


def span(sigmas: Tensor, start: int, end: int | None, *, leftover: bool) -> Tensor:
    """The levels of some steps of a run.

    Args:
        sigmas: Levels of the whole run.
        start: Step to begin with, from 0.
        end: Step to end before; None, or more than there are, runs to the end.
        leftover: Keep the noise that is left at the end; else the last step goes down to 0.

    Returns:
        The levels from the first to after the last of these steps; empty where no step is among them.
    """
    if end is not None and end < len(sigmas) - 1:
        sigmas = sigmas[: end + 1]
        if not leftover:
            sigmas = torch.cat([sigmas[:-1], sigmas.new_zeros(1)])
    return sigmas[start:] if start < len(sigmas) - 1 else sigmas[:0]
