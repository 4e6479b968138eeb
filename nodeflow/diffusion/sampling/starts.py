"""Where runs start: latents in the network's space, and the noise that is added to them."""

from dataclasses import dataclass

import torch
from torch import Tensor

from nodeflow.diffusion.sampling.fitting import require_latent, require_noise
from nodeflow.diffusion.sampling.noise import ItemNoise
from nodeflow.diffusion.sampling.prediction import levels_of, noised
from nodeflow.diffusion.types import Latent, Model, NoiseChoice


@dataclass(frozen=True, slots=True)
class Start:
    """What a run begins with, in the network's space and on its device.

    Attributes:
        clean: [B, C, h, w], the latent.
        noise: The same shape, unit variance; zeros where noise is silent.
    """

    clean: Tensor
    noise: Tensor

    @classmethod
    def of(cls, model: Model, latent: Latent, noise: NoiseChoice) -> "Start":
        """The start of a run from a latent, which stays empty if it is, also where the space has a shift."""
        samples = latent.samples.to(model.device, torch.float32)
        space = model.latent_format
        clean = (samples - space.shift) * space.scale if bool(samples.any()) else samples
        return cls(clean, torch.zeros_like(clean) if noise.silent else noise_stream(noise.seed, model, latent)())


def noise_stream(seed: int, model: Model, latent: Latent, ends: tuple[float, float] | None = None) -> ItemNoise:
    """The noise of the rows of a latent, each by its item; for `ends` see `ItemNoise`."""
    _, channels, height, width = latent.samples.shape
    return ItemNoise(seed, latent.items, (channels, height, width), model.device, ends)


@torch.inference_mode()
def with_noise(model: Model, latent: Latent, noise: NoiseChoice, sigma: float, *, full: bool = False) -> Latent:
    """A latent with noise of a level added.

    Args:
        model: Whose space it is scaled in.
        latent: What noise is added to.
        noise: Which noise.
        sigma: The level.
        full: As a run begins with it, see `prediction.noised`.

    Raises:
        ValueRuleError: The latent is not of the model's space, or the seed is out of range.
    """
    require_noise(noise)
    require_latent(model, latent)
    start = Start.of(model, latent, noise)
    levels = levels_of(model.prediction, zero_terminal=model.zero_terminal)
    space = model.latent_format
    samples = (noised(start.clean, start.noise, sigma, levels, full=full) / space.scale + space.shift).cpu()
    return Latent(samples, space, latent.items, latent.noise_mask)
