"""One sampling run, from a latent and conditionings to a latent, as a generator of its steps."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from nodeflow.diffusion.errors import NonFiniteError, ValueRuleError
from nodeflow.diffusion.protocols import Denoiser
from nodeflow.diffusion.sampling.conditions import require_fitting
from nodeflow.diffusion.sampling.evaluation import Conditioned
from nodeflow.diffusion.sampling.guidance import steered
from nodeflow.diffusion.sampling.masked import Masked
from nodeflow.diffusion.sampling.noise import ItemNoise
from nodeflow.diffusion.sampling.prediction import NetworkDenoiser, noised
from nodeflow.diffusion.sampling.schedules import window
from nodeflow.diffusion.sampling.spans import without_penultimate
from nodeflow.diffusion.sampling.table import SamplerTable, builtin_table
from nodeflow.diffusion.types import Conditioning, Latent, Model, Prediction

_MAX_SEED = 2**64 - 1


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a run.

    Attributes:
        index: Which step, from 0.
        total: How many there are.
        sigma: The noise level it came from.
        latent: Where it arrived; after the last step this is the result.
        denoised: What the picture was expected to become, for previews.
    """

    index: int
    total: int
    sigma: float
    latent: Latent
    denoised: Latent


@torch.inference_mode()
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
        table: Samplers and schedules by name; those of this package by default.

    Yields:
        One `Step` per evaluation. Latents are float32 on the CPU, raw (not in the network's space).

    Raises:
        ValueRuleError: An argument out of range, an unknown name, a latent or conditioning that does not fit the model.
        NonFiniteError: The network, or the sampler, produced NaN or infinity.
    """
    names = builtin_table() if table is None else table
    entry, schedule = names.sampler(sampler), names.schedule(scheduler)
    if entry.drops_penultimate:
        schedule = without_penultimate(schedule)
    _check_numbers(seed, steps, cfg, denoise)
    _check_fit(model, positive, negative, latent)
    if model.prediction is Prediction.FLOW and not entry.flow:
        raise ValueRuleError(f"sampler {sampler!r} cannot solve flow models; take euler")
    network = NetworkDenoiser.of(model)
    sigmas = window(schedule, network.levels, steps, denoise)
    if len(sigmas) == 0:
        return
    clean = _network_space(model, latent)
    shape = (clean.shape[1], clean.shape[2], clean.shape[3])
    noise = ItemNoise(seed, latent.items, shape, model.device)()
    denoiser: Denoiser = steered(
        Conditioned(network, positive.to(model.device), model.latent_format.factor),
        Conditioned(network, negative.to(model.device), model.latent_format.factor),
        cfg,
        model.guidance,
        negative_wanted=entry.negative,
    )
    if latent.noise_mask is not None:
        denoiser = _masked(denoiser, latent, clean, noise, network)
    start = noised(clean, noise, float(sigmas[0]), network.levels, full=True)
    ends = (float(sigmas[sigmas > 0].min()), float(sigmas.max()))
    stream = ItemNoise(seed, latent.items, shape, model.device, ends)
    moves = entry.solve(denoiser, start, sigmas, stream, **entry.options)
    for index, move in enumerate(moves):
        if not bool(torch.isfinite(move.x).all()):
            raise NonFiniteError(
                f"sampler {sampler!r} produced NaN or infinity in step {index + 1} of {len(sigmas) - 1}"
            )
        arrived, expected = _raw(model, latent, move.x), _raw(model, latent, move.denoised)
        yield Step(index, len(sigmas) - 1, move.sigma, arrived, expected)


def _check_numbers(seed: int, steps: int, cfg: float, denoise: float) -> None:
    if not 0 <= seed <= _MAX_SEED:
        raise ValueRuleError(f"seed {seed} is not in 0..2^64-1")
    if steps < 1:
        raise ValueRuleError(f"steps {steps} is below 1")
    if not math.isfinite(cfg):
        raise ValueRuleError(f"cfg {cfg} is no finite number")
    if not 0.0 <= denoise <= 1.0:
        raise ValueRuleError(f"denoise {denoise:g} is not in 0..1")


def _check_fit(model: Model, positive: Conditioning, negative: Conditioning, latent: Latent) -> None:
    model.require_weights()
    space = model.latent_format
    if latent.format is not None and latent.format != space:
        raise ValueRuleError(
            f"the latent is of space {latent.format.name}, the model works in {space.name}; "
            "decode it with its own autoencoder and encode the picture with the model's"
        )
    if latent.samples.shape[1] != space.channels:
        raise ValueRuleError(f"the latent has {latent.samples.shape[1]} channels, the model takes {space.channels}")
    others = [("additional", other) for guidance in model.guidance for other in guidance.others]
    for name, conditioning in (("positive", positive), ("negative", negative), *others):
        require_fitting(name, conditioning, model, latent)


def _network_space(model: Model, latent: Latent) -> Tensor:
    """Raw latents as the network sees them; an empty latent stays empty where the space has a shift."""
    samples = latent.samples.to(model.device, torch.float32)
    space = model.latent_format
    return (samples - space.shift) * space.scale if bool(samples.any()) else samples


def _raw(model: Model, latent: Latent, x: Tensor) -> Latent:
    space = model.latent_format
    samples = (x / space.scale + space.shift).cpu()
    return Latent(samples, space, latent.items, latent.noise_mask)


def _masked(denoiser: Denoiser, latent: Latent, clean: Tensor, noise: Tensor, network: NetworkDenoiser) -> Denoiser:
    assert latent.noise_mask is not None
    values = latent.noise_mask.values.to(clean.device)[:, None]  # b 1 h w
    mask = F.interpolate(values, size=clean.shape[-2:], mode="bilinear", align_corners=False)
    return Masked(denoiser, clean, noise, mask, network.levels.is_flow)
