"""Nodes that turn noise into latents, by names of a sampler and a schedule."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Literal, NamedTuple

from nodeflow.api import Field, Fraction, Guidance, Run, SamplerName, SchedulerName, Seed, Steps, node, quiet
from nodeflow.diffusion.types import Conditioning, Guider, Image, Latent, Model, NoiseChoice, SamplerChoice
from nodeflow_nodes.refusals import blaming
from nodeflow_nodes.tables import table_with

if TYPE_CHECKING:
    from nodeflow.diffusion.sampling import Step

StepNumber = Annotated[int, Field(ge=0, le=10_000)]

_LAST_STEP = 10_000


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
    guider = Guider(model, positive, negative, cfg)
    result = latent
    with blaming("model", sampler="sampler"):
        course = course_of(guider, latent, seed, steps, sampler, scheduler, run, denoise=denoise)
        for step in run.track(course.steps, total=course.total, preview=glance):
            result = step.latent
    return result


@node("KSamplerAdvanced", category="sampling", title="Sampler (some steps)")
def ksampler_advanced(
    model: Model,
    positive: Conditioning,
    negative: Conditioning,
    latent: Latent,
    add_noise: Literal["enable", "disable"] = "enable",
    noise_seed: Seed = 0,
    steps: Steps = 20,
    cfg: Guidance = 8.0,
    sampler: SamplerName = "euler",
    scheduler: SchedulerName = "normal",
    start_at_step: StepNumber = 0,
    end_at_step: StepNumber = _LAST_STEP,
    return_with_leftover_noise: Literal["disable", "enable"] = "disable",
    *,
    run: Run = quiet,
) -> Latent:
    """Sample only some of the steps, so that the others can be done by another model, prompt or sampler.

    To divide one run, let the first node return the latent with leftover noise, and the second start at the step where
    the first ended, with the same `steps` and without adding noise.

    Under a noise mask the second node keeps what it is given outside of the mask, which is still noisy: put the picture
    back there afterwards, with LatentCompositeMasked or ImageCompositeMasked.

    Args:
        model: The denoising network.
        positive: What the picture should show.
        negative: What it should avoid.
        latent: Where to start: an empty latent, an encoded picture, or what another sampler left noisy.
        add_noise: Whether noise is added first; a latent that is noisy already needs none.
        noise_seed: The noise is drawn from this, also that of samplers that add noise at every step.
        steps: How many steps the whole way has.
        cfg: How strongly to follow `positive` and avoid `negative`; at 1 `negative` is ignored, in half the time.
        sampler: The method that takes the steps.
        scheduler: How the noise levels are spread over the steps.
        start_at_step: The first step to do, counted from 0; from the last on, the latent is handed on as it is.
        end_at_step: The step to stop before; more than there are means up to the end.
        return_with_leftover_noise: Keep the noise that is left where it stops early, for another sampler to go on; else
            the last step takes all of it away.
    """
    guider, noise_left = Guider(model, positive, negative, cfg), return_with_leftover_noise == "enable"
    result = latent
    with blaming("model", sampler="sampler"):
        course = course_of(
            guider,
            latent,
            noise_seed,
            steps,
            sampler,
            scheduler,
            run,
            start=start_at_step,
            end=end_at_step,
            silent=add_noise == "disable",
            leftover_noise=noise_left,
        )
        for step in run.track(course.steps, total=course.total, preview=glance):
            result = step.latent
    if course.total == 0:
        run.warn(f"there is no step from {start_at_step} to {end_at_step} of {steps}; the latent is handed on as it is")
    return result


class Course(NamedTuple):
    """A sampling run that has not begun.

    Attributes:
        steps: Its steps; taking one makes it.
        total: How many there are; None where the sampler decides that on its way.
    """

    steps: "Iterator[Step]"
    total: int | None


def course_of(
    guider: Guider,
    latent: Latent,
    seed: int,
    steps: int,
    sampler: str,
    scheduler: str,
    run: Run,
    *,
    denoise: float = 1.0,
    start: int = 0,
    end: int = _LAST_STEP,
    silent: bool = False,
    leftover_noise: bool = False,
) -> Course:
    """The run of these inputs, with the samplers and schedules that packs have added; see `sampling.run.sample`."""
    from nodeflow.diffusion.sampling.run import sample_custom, sigmas_of, steps_of

    require_fitting(guider, latent, positive="positive", negative="negative")
    table = table_with(run, sampler=sampler, scheduler=scheduler)
    with blaming("denoise"):
        sigmas = sigmas_of(
            guider.model,
            sampler,
            scheduler,
            steps,
            denoise,
            start=start,
            end=end,
            leftover_noise=leftover_noise,
            table=table,
        )
    noise = NoiseChoice(seed, silent)
    stages = sample_custom(guider, latent, sigmas, SamplerChoice(sampler), noise, table=table)
    return Course(stages, steps_of(sampler, sigmas, table=table))


def require_fitting(guider: Guider, latent: Latent, *, positive: str, negative: str) -> None:
    """Checks a latent and conditionings against the model, and says of each by the name of its input what is wrong.

    Raises:
        InputError: The model works in another space than the latent's, or was trained on other texts.
    """
    from nodeflow.diffusion.sampling.conditions import require_fitting as require_fitting_side
    from nodeflow.diffusion.sampling.fitting import require_latent

    with blaming("latent"):
        require_latent(guider.model, latent)
    for name, side, conditioning in (
        (positive, "positive", guider.positive),
        (negative, "negative", guider.negative),
    ):
        if conditioning is not None:
            with blaming(name):
                require_fitting_side(side, conditioning, guider.model, latent)


def glance(step: "Step") -> Image | None:
    """A rough picture of where a step is heading."""
    from nodeflow.diffusion.preview import preview

    return preview(step.denoised)
