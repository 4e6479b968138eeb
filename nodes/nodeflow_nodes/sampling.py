"""The node that turns noise into latents."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, cast

from nodeflow.api import Fraction, Guidance, Run, SamplerName, SchedulerName, Seed, Steps, node, quiet
from nodeflow.diffusion.types import Conditioning, Image, Latent, Model
from nodeflow_nodes.refusals import blaming

if TYPE_CHECKING:
    from nodeflow.diffusion.sampling import Step
    from nodeflow.diffusion.sampling.schedules import Schedule
    from nodeflow.diffusion.sampling.solvers.step import Sampler
    from nodeflow.diffusion.sampling.table import SamplerTable


@node("KSampler", category="sampling", title="Sampler")
def ksampler(
    model: Model,
    positive: Conditioning,
    negative: Conditioning,
    latent: Latent,
    seed: Seed = 0,
    steps: Steps = 20,
    cfg: Guidance = 8.0,
    sampler: SamplerName = "euler",
    scheduler: SchedulerName = "normal",
    denoise: Fraction = 1.0,
    *,
    run: Run = quiet,
) -> Latent:
    """Turn noise into latents that match the conditioning.

    Args:
        model: The denoising network.
        positive: What the picture should show.
        negative: What it should avoid.
        latent: Where to start: an empty latent, or an encoded picture with `denoise` below 1.
        seed: The noise is drawn from this; the same seed gives the same picture.
        steps: How many steps the noise is taken away in.
        cfg: How strongly to follow `positive` and avoid `negative`; at 1 `negative` is ignored, in half the time.
        sampler: The method that takes the steps.
        scheduler: How the noise levels are spread over the steps.
        denoise: Share of the schedule that is run; below 1 the input latent shines through.
    """
    result = latent
    with blaming("model"):
        stages = stages_of(model, positive, negative, latent, seed, steps, cfg, sampler, scheduler, denoise, run)
        for step in run.track(stages, total=steps, preview=glance):
            result = step.latent
    return result


def stages_of(
    model: Model,
    positive: Conditioning,
    negative: Conditioning,
    latent: Latent,
    seed: int,
    steps: int,
    cfg: float,
    sampler: str,
    scheduler: str,
    denoise: float,
    run: Run,
) -> "Iterator[Step]":
    """The sampling run of these inputs, step by step, with the samplers and schedules that packs have added."""
    from nodeflow.diffusion.sampling import sample

    return sample(
        model,
        positive,
        negative,
        latent,
        seed=seed,
        steps=steps,
        cfg=cfg,
        sampler=sampler,
        scheduler=scheduler,
        denoise=denoise,
        table=_table(sampler, scheduler, run),
    )


def _table(sampler: str, scheduler: str, run: Run) -> "SamplerTable":
    """The built-in table and, where it lacks one of these names, what a pack has added under it."""
    from nodeflow.diffusion.sampling.table import SamplerEntry, builtin_table

    table = builtin_table()
    solve = run.extensions("samplers").get(sampler) if sampler not in table.samplers else None
    schedule = run.extensions("schedulers").get(scheduler) if scheduler not in table.schedules else None
    if isinstance(solve, SamplerEntry):
        table = table.with_sampler(sampler, solve.solve, flow=solve.flow)
    elif solve is not None:
        table = table.with_sampler(sampler, cast("Sampler", solve))
    if schedule is not None:
        table = table.with_schedule(scheduler, cast("Schedule", schedule))
    with blaming("sampler"):
        table.sampler(sampler)
    with blaming("scheduler"):
        table.schedule(scheduler)
    return table


def glance(step: "Step") -> Image | None:
    """A rough picture of where a step is heading."""
    from nodeflow.diffusion.preview import preview

    return preview(step.denoised)
