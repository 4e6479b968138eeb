"""Nodes that decide what runs: one of two branches, or the same thing several times."""

from typing import Annotated, TypeVar, cast

from nodeflow.api import (
    Blocked,
    Field,
    Fraction,
    Graph,
    Guidance,
    Lazy,
    Ref,
    SamplerName,
    SchedulerName,
    Seed,
    Steps,
    expander,
    node,
)
from nodeflow.diffusion.types import Conditioning, Latent, Model
from nodeflow_nodes.latents import Factor, LatentMethod, latent_upscale_by
from nodeflow_nodes.sampling import ksampler

T = TypeVar("T")

_SEEDS = 2**53


@node("Switch", category="control", title="Switch")
async def switch(on: bool, yes: Lazy[T], no: Lazy[T]) -> T:
    """Hand on one of two values; the other is not even computed.

    Args:
        on: Which one: `yes` when true, `no` when false.
        yes: Any value.
        no: Any value of the same type.
    """
    return await (yes if on else no)


@node("Gate", category="control", title="Gate")
async def gate(value: Lazy[T], open: bool = True, reason: str = "") -> T:
    """Hand a value on, or keep everything below from running; behind a closed gate the value is not even computed.

    Args:
        value: Any value.
        open: Whether it is handed on.
        reason: Shown on the nodes that do not run.
    """
    return await value if open else cast(T, Blocked(reason))


@expander("Repeat", category="control", title="Repeat a sampling pass")
def repeat(
    graph: Graph,
    model: Ref[Model],
    positive: Ref[Conditioning],
    negative: Ref[Conditioning],
    latent: Ref[Latent],
    times: Annotated[int, Field(ge=0, le=100)] = 2,
    seed: Seed = 0,
    steps: Steps = 20,
    cfg: Guidance = 8.0,
    sampler: SamplerName = "euler",
    scheduler: SchedulerName = "normal",
    denoise: Fraction = 0.5,
    scale_by: Factor = 1.0,
    upscale_method: LatentMethod = "nearest-exact",
) -> Ref[Latent]:
    """Sample several times, each pass starting from the latent of the one before, if wished a little larger.

    Args:
        model: The denoising network.
        positive: What the picture should show.
        negative: What it should avoid.
        latent: Where the first pass starts.
        times: How many passes; 0 hands the latent on as it is.
        seed: Seed of the first pass; each further pass counts one up.
        steps: Steps of each pass.
        cfg: How strongly the picture follows `positive` and avoids `negative`.
        sampler: The method that takes the steps.
        scheduler: How the noise levels are spread over the steps.
        denoise: Share of the schedule that each pass runs; the lower, the closer it stays to what it got.
        scale_by: Factor by which the latent grows before each pass.
        upscale_method: How it grows.
    """
    for turn in range(times):
        if scale_by != 1.0:
            latent = graph(latent_upscale_by)(latent, upscale_method, scale_by)
        turn_seed = (seed + turn) % _SEEDS
        latent = graph(ksampler)(model, positive, negative, latent, turn_seed, steps, cfg, sampler, scheduler, denoise)
    return latent
