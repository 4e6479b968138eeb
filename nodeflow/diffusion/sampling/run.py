"""One sampling run, from a latent and conditionings to a latent, as a generator of its steps."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise

import torch
from torch import Tensor

from nodeflow.diffusion.protocols import Denoiser, Masking
from nodeflow.diffusion.sampling.beside import beside_of
from nodeflow.diffusion.sampling.evaluation import Conditioned
from nodeflow.diffusion.sampling.fitting import (
    MAX_SEED,
    require_fitting_guider,
    require_levels,
    require_noise,
    require_numbers,
)
from nodeflow.diffusion.sampling.guidance import steered
from nodeflow.diffusion.sampling.masked import Masked, Progress, in_cells
from nodeflow.diffusion.sampling.prediction import NetworkDenoiser, NoiseLevels, levels_of, noised
from nodeflow.diffusion.sampling.schedules import window
from nodeflow.diffusion.sampling.solvers.step import Move
from nodeflow.diffusion.sampling.spans import span, without_penultimate
from nodeflow.diffusion.sampling.starts import Start, noise_stream
from nodeflow.diffusion.sampling.steps import Raw, Step, Watch
from nodeflow.diffusion.sampling.table import SamplerEntry, SamplerTable, builtin_table
from nodeflow.diffusion.types import (
    Conditioning,
    Guider,
    Latent,
    Mask,
    Model,
    NoiseChoice,
    Prediction,
    SamplerChoice,
    Sigmas,
)

__all__ = ["Step", "sample", "sample_custom", "sigmas_of", "steps_of"]


def sample(
    model: Model,
    positive: Conditioning,
    negative: Conditioning,
    latent: Latent,
    *,
    seed: int,
    steps: int,
    cfg: float,
    sampler: str = "euler",
    scheduler: str = "normal",
    denoise: float = 1.0,
    start: int = 0,
    end: int | None = None,
    add_noise: bool = True,
    leftover_noise: bool = False,
    table: SamplerTable | None = None,
) -> Iterator[Step]:
    """Turns noise, or a latent with noise added, into a latent that matches the conditioning.

    Each row gets the noise of its item, so an item alone gives the same as its row in the batch (to 1e-6, fp32, CPU).

    Args:
        model: The network.
        positive: What the picture should follow.
        negative: What it should be moved away from; not looked at when `cfg` is 1.
        latent: Where to start; an empty one of the wanted size for a new picture. Where its noise mask is 0 it stays.
        seed: 0 to 2^64 - 1, decides all noise.
        steps: Evaluations of the network, 1 or more.
        cfg: Guidance scale.
        sampler: A name in `table`.
        scheduler: A name in `table`.
        denoise: Share of the schedule that is run, 0 to 1; below 1 the latent shines through, at 0 there is no step.
        start: Step to begin with, from 0; beyond the last one there is no step.
        end: Step to end before; None runs to the end.
        add_noise: Whether noise is added at the start; a latent that is noisy already needs none.
        leftover_noise: Where `end` comes before the last step, keep the noise that is left then.
        table: Samplers and schedules by name; those of this package by default.

    Yields:
        One `Step` per step of the sampler. Latents are float32 on the CPU, raw (not in the network's space).

    Raises:
        ValueRuleError: An argument out of range, an unknown name, a latent or conditioning that does not fit the model.
        NonFiniteError: The network, or the sampler, produced NaN or infinity.
    """
    names = builtin_table() if table is None else table
    sigmas = sigmas_of(
        model, sampler, scheduler, steps, denoise, start=start, end=end, leftover_noise=leftover_noise, table=names
    )
    guider, noise = Guider(model, positive, negative, cfg), NoiseChoice(seed, silent=not add_noise)
    yield from sample_custom(guider, latent, sigmas, SamplerChoice(sampler), noise, table=names)


def sigmas_of(
    model: Model,
    sampler: str,
    scheduler: str,
    steps: int,
    denoise: float = 1.0,
    *,
    start: int = 0,
    end: int | None = None,
    leftover_noise: bool = False,
    table: SamplerTable | None = None,
) -> Sigmas:
    """The levels that `sample` visits; arguments and errors are its."""
    names = builtin_table() if table is None else table
    entry, schedule = names.sampler(sampler), names.schedule(scheduler)
    require_numbers(steps, denoise, start, end)
    if entry.drops_penultimate:
        schedule = without_penultimate(schedule)
    levels = levels_of(model.prediction, zero_terminal=model.zero_terminal)
    sigmas = span(window(schedule, levels, steps, denoise), start, end, leftover=leftover_noise)
    return Sigmas(tuple(float(sigma) for sigma in sigmas))


def steps_of(sampler: str, sigmas: Sigmas, *, table: SamplerTable | None = None) -> int | None:
    """How many steps a sampler makes; None where it decides that on its way."""
    entry = (builtin_table() if table is None else table).sampler(sampler)
    return None if entry.own_steps else sum(one != other for one, other in pairwise(sigmas.values))


@torch.inference_mode()
def sample_custom(
    guider: Guider,
    latent: Latent,
    sigmas: Sigmas,
    sampler: SamplerChoice,
    noise: NoiseChoice,
    *,
    table: SamplerTable | None = None,
) -> Iterator[Step]:
    """Runs a sampler over given noise levels; what every other run is made of.

    Args:
        guider: The model and what it should follow.
        latent: Where to start; see `sample`.
        sigmas: The levels. Fewer than two different ones: there is no step.
        sampler: The method, and its options.
        noise: What is added at the start, and what stochastic samplers draw from.
        table: Samplers by name; those of this package by default.

    Yields:
        One `Step` per step of the sampler; see `sample`.

    Raises:
        ValueRuleError: Something does not fit; said before the network is called.
        NonFiniteError: The network, or the sampler, produced NaN or infinity.
    """
    names = builtin_table() if table is None else table
    entry = names.sampler(sampler.name).with_options(sampler.name, sampler.options)
    require_noise(noise)
    require_fitting_guider(guider, latent, sampler.name, entry)
    require_levels(sigmas, sampler.name, entry, guider.model)
    if len(set(sigmas.values)) < 2:
        return
    total = steps_of(sampler.name, sigmas, table=names)
    watch = Watch(sampler.name, total, guider.model.device)
    space = guider.model.latent_format
    raw, last = Raw(space, latent, watch), Raw(space, latent, watch, _fade(guider.model, sigmas.values[-1]))
    for index, move in enumerate(_moves(guider, latent, torch.tensor(sigmas.values), entry, noise)):
        watch.see(index, move.x)
        yield Step(index, total, move, last if index + 1 == total else raw)
    watch.require_finite()


def _moves(guider: Guider, latent: Latent, sigmas: Tensor, entry: SamplerEntry, noise: NoiseChoice) -> Iterator[Move]:
    model = guider.model
    network = NetworkDenoiser.of(model, noise.seed)
    start = Start.of(model, latent, noise)
    denoiser: Denoiser = _guided(guider, network, latent, start, entry)
    if latent.noise_mask is not None:
        known = start
        if entry.fresh_mask_noise:
            known = replace(start, noise=noise_stream((noise.seed + 1) % (MAX_SEED + 1), model, latent)())
        denoiser = _masked(denoiser, latent.noise_mask, sigmas, known, network.levels, model.masking)
    x = noised(start.clean, start.noise, float(sigmas[0]), network.levels, full=True)
    ends = (float(sigmas[sigmas > 0].min()), float(sigmas.max()))
    stream = noise_stream(noise.seed, model, latent, ends)
    yield from entry.method(network.levels)(denoiser, x, sigmas, stream, **entry.keywords(network.levels))


def _guided(guider: Guider, network: NetworkDenoiser, latent: Latent, start: Start, entry: SamplerEntry) -> Denoiser:
    """Where there is no negative side, nothing asks for it: the positive one stands in its place."""
    model = guider.model
    beside = beside_of(model, latent, start.clean)
    positive, negative = (
        Conditioned(network, side.to(model.device), model.latent_format.factor, beside)
        for side in (guider.positive, guider.negative or guider.positive)
    )
    return steered(positive, negative, guider.cfg, model.guidance, negative_wanted=entry.negative)


def _masked(
    denoiser: Denoiser, mask: Mask, sigmas: Tensor, start: Start, levels: NoiseLevels, masking: Masking | None
) -> Masked:
    _, _, height, width = start.clean.shape
    cells = in_cells(mask, (height, width), start.clean.device)
    progress = None if masking is None else Progress.of(sigmas, levels, start.clean.device)
    return Masked(denoiser, start.clean, start.noise, cells, levels.is_flow, masking, progress)


def _fade(model: Model, sigma: float) -> float:
    """What is left of the picture at a level: a latent that a flow leaves noisy is scaled up, so that it can go on."""
    return 1.0 - sigma if model.prediction is Prediction.FLOW and sigma < 1.0 else 1.0
