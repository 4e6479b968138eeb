"""Nodes that put several pictures on one sheet."""

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Literal

from nodeflow.api import (
    Field,
    Fraction,
    Guidance,
    InputError,
    Lane,
    Run,
    SamplerName,
    SchedulerName,
    Seed,
    Steps,
    node,
    quiet,
)
from nodeflow.diffusion.types import Conditioning, Guider, Image, Latent, Model, Prediction, Vae
from nodeflow_nodes.refusals import blaming
from nodeflow_nodes.sampling import course_of, glance

if TYPE_CHECKING:
    from nodeflow.diffusion.sampling import Step

Columns = Annotated[int, Field(ge=0, le=64)]
Gap = Annotated[int, Field(ge=0, le=256)]
CaptionLines = Annotated[int, Field(ge=1, le=8)]

_SHOWN = 8
_MOST_SHOWN = 256


@node("ImageGrid", category="image", title="Grid of images", lane=Lane.CPU)
def image_grid(images: Image, columns: Columns = 0, gap: Gap = 4) -> Image:
    """Put all pictures of a batch on one sheet, row by row.

    Args:
        images: The pictures.
        columns: Pictures beside each other; 0 makes the sheet about as wide as high.
        gap: Pixels between them.
    """
    from nodeflow.diffusion.images import sheet

    with blaming("images"):
        return sheet([images], columns or _square(len(images)), gap)


@node("Caption", category="image", title="Caption below a picture", lane=Lane.CPU)
def caption(image: Image, text: str = "", lines: CaptionLines = 1) -> Image:
    """Write a text below every picture of a batch.

    Args:
        image: The pictures.
        text: What to write; drawn smaller where there is too little room for it.
        lines: How many lines there is room for.
    """
    from nodeflow.diffusion.captions import captioned

    return captioned(image, [text] * len(image), lines)


@node("StepsGrid", category="sampling", title="Noise becoming a picture")
def steps_grid(
    model: Model,
    positive: Conditioning,
    negative: Conditioning,
    latent: Latent,
    vae: Vae,
    seed: Seed = 0,
    steps: Steps = 20,
    cfg: Guidance = 8.0,
    sampler: SamplerName = "euler",
    scheduler: SchedulerName = "normal",
    denoise: Fraction = 1.0,
    show: str = "",
    stage: Literal["noisy", "expected"] = "noisy",
    columns: Columns = 0,
    *,
    run: Run = quiet,
) -> Image:
    """Sample as KSampler does, and decode the picture at chosen steps, on one labelled sheet.

    Args:
        model: The denoising network.
        positive: What the picture should show.
        negative: What it should avoid.
        latent: Where to start; of a batch, its first item is shown.
        vae: The autoencoder that came with the model.
        seed: The noise is drawn from this.
        steps: How many steps the noise is taken away in.
        cfg: How strongly the picture follows `positive` and avoids `negative`.
        sampler: The method that takes the steps.
        scheduler: How the noise levels are spread over the steps.
        denoise: Share of the schedule that is run.
        show: Numbers of the steps to show, such as `1, 5, 10, 20`; empty shows eight, evenly spread.
        stage: `noisy` shows what a step leaves, `expected` what the model takes the picture to be at that step.
        columns: Pictures beside each other; 0 makes the sheet about as wide as high.
    """
    from nodeflow.diffusion.autoencoding import decode
    from nodeflow.diffusion.captions import captioned
    from nodeflow.diffusion.images import sheet

    with blaming("model", sampler="sampler"):
        first = latent.select([0])
        guider = Guider(model, positive, negative, cfg)
        course = course_of(guider, first, seed, steps, sampler, scheduler, run, denoise=denoise)
        chosen = chosen_steps(show, course.total or steps)
        trail = _trail(run.track(course.steps, total=course.total, preview=glance), chosen)
    if not trail:
        raise InputError("denoise", "at 0 there are no steps to show; set it above 0")
    with blaming("latent", network="vae"):
        latents = [step.denoised if stage == "expected" else _visible(step, level, model) for step, level in trail]
        labels = [f"step {step.index + 1}" + (f" of {step.total}" if step.total else "") for step, _ in trail]
        pictures = [captioned(decode(vae, each), [label]) for each, label in zip(latents, labels, strict=True)]
        return sheet(pictures, columns or _square(len(pictures)), gap=4)


@steps_grid.check
def _steps_exist(show: str, steps: int) -> None:
    chosen_steps(show, steps)


def chosen_steps(show: str, steps: int) -> frozenset[int]:
    """Numbers of the steps to show, from 1.

    Raises:
        InputError: `show` is no list of numbers, or names a step that there is not.
    """
    if not show.strip():
        count = min(_SHOWN, steps)
        return frozenset(1 + round(place * (steps - 1) / max(1, count - 1)) for place in range(count))
    words = show.replace(",", " ").split()
    known = {str(step) for step in range(1, steps + 1)}
    wrong = next((word for word in words if word not in known), None)
    if wrong is not None:
        raise InputError("show", f"{wrong[:20]!r} is none of the steps 1 to {steps}; write numbers such as 1, {steps}")
    if len(words) > _MOST_SHOWN:
        raise InputError("show", f"{len(words)} steps are too many for one sheet; choose at most {_MOST_SHOWN}")
    return frozenset(map(int, words))


def _trail(steps: "Iterator[Step]", chosen: frozenset[int]) -> "list[tuple[Step, float]]":
    """The chosen steps, each with the noise level it arrived at, which is where the one after it starts."""
    kept: list[Step] = []
    levels: dict[int, float] = {}
    for step in steps:
        levels[step.index - 1] = step.sigma
        if step.index + 1 in chosen:
            kept.append(step)
    return [(step, levels.get(step.index, 0.0)) for step in kept]


def _visible(step: "Step", level: float, model: Model) -> Latent:
    """What a step left, scaled to the contrast that an autoencoder expects where noise came on top of the picture."""
    space = model.latent_format
    spread = 1.0 if model.prediction is Prediction.FLOW else math.sqrt(1.0 + level**2)
    return step.latent.replace(samples=(step.latent.samples - space.shift) / spread + space.shift)


def _square(count: int) -> int:
    """Columns of a sheet that is about as wide as high."""
    return math.ceil(math.sqrt(count))
