"""Training of the autoencoder: first as a whole, later its decoder alone on the frozen encoder."""

import random
from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from nodeflow.diffusion.models.vae import AutoencoderKL, VAEConfig
from nodeflow.diffusion.training.latents import LatentBank
from nodeflow.diffusion.training.optimise import Loss
from nodeflow.diffusion.training.scenes import LOOSE, Freedom, Scene, draw_scene, render
from nodeflow.diffusion.training.sprites import Sprites
from nodeflow.diffusion.training.vocabulary import Split

CONFIG = VAEConfig(channels=16, channel_mult=(1, 2, 4, 8), num_res_blocks=1, norm_groups=8)


@dataclass(frozen=True, slots=True)
class Anchor:
    """Pulls the first three latent channels to a thumbnail of the picture.

    Without it, small autoencoders of this kind stay at one colour for all things for very long; with it, latents are
    easy to denoise and their first three channels are a preview.

    Attributes:
        scale: latent value of full brightness.
        weight: at the first step.
        last: in the end; the decay is exponential, over `steps`.
    """

    scale: float = 2.0
    weight: float = 0.5
    last: float = 0.025
    steps: int = 600

    def weight_at(self, step: int) -> float:
        """The weight of a step."""
        done = min(1.0, step / self.steps)
        return float(self.weight * (self.last / self.weight) ** done)


def generator(seed: int, step: int, part: int) -> torch.Generator:
    """A generator of its own for every part of every step."""
    return torch.Generator().manual_seed(seed * 1_000_003 + step * 64 + part)


def draw_batch(
    sprites: Sprites,
    size: int,
    seed: int,
    step: int,
    part: int,
    *,
    split: Split = Split.TRAIN,
    freedom: Freedom = LOOSE,
) -> Tensor:
    """Pictures of random scenes, reproducible from the numbers."""
    rng = random.Random(f"{seed}/{step}/{part}")
    scenes: Sequence[Scene] = [draw_scene(rng, split, freedom) for _ in range(size)]
    return render(scenes, sprites)


def reconstruction_loss(made: Tensor, wanted: Tensor) -> Tensor:
    """L1 + 2 MSE + 0.4 of the L1 of differences between neighbours, which is what keeps edges sharp."""
    difference = made.float() - wanted
    edges = difference.diff(dim=-1).abs().mean() + difference.diff(dim=-2).abs().mean()
    return difference.abs().mean() + 2 * difference.square().mean() + 0.4 * edges


def joint_loss(model: AutoencoderKL, sprites: Sprites, batch: int, seed: int, anchor: Anchor | None = None) -> Loss:
    """The loss that trains encoder and decoder together."""
    pull = Anchor() if anchor is None else anchor

    def loss(step: int, part: int) -> Tensor:
        images = draw_batch(sprites, batch, seed, step, part)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            mean, logvar = model.encode_moments(images)
        mean, logvar = mean.float(), logvar.float()
        noise = torch.randn(mean.shape, generator=generator(seed, step, part))
        with torch.autocast("cpu", dtype=torch.bfloat16):
            made = model.decode(mean + noise * (0.5 * logvar).exp())
        kl = 0.5 * (mean.square() + logvar.exp() - 1 - logvar).flatten(1).sum(1).mean() / images[0].numel()
        thumbnails = pull.scale * F.avg_pool2d(images, model.config.factor)
        anchored = (mean[:, :3] - thumbnails).square().mean()
        return reconstruction_loss(made, images) + 2e-5 * kl + pull.weight_at(step) * anchored

    return loss


def decoder_loss(model: AutoencoderKL, bank: LatentBank, sprites: Sprites, batch: int, seed: int) -> Loss:
    """The loss that trains the decoder alone, on latents with noise of up to 8 % of their spread.

    The noise stands for the small errors of the latents that sampling makes.
    """

    def loss(step: int, part: int) -> Tensor:
        numbers = generator(seed, step, part)
        slots = torch.randint(len(bank.scenes), (batch,), generator=numbers)
        latents = bank.latents[slots]
        amount = 0.08 * torch.rand((batch, 1, 1, 1), generator=numbers)
        noisy = latents + amount * torch.randn(latents.shape, generator=numbers)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            made = model.decode(noisy / bank.scale)
        return reconstruction_loss(made, render([bank.scenes[int(slot)] for slot in slots], sprites))

    return loss


@torch.no_grad()
def psnr(model: AutoencoderKL, images: Tensor, batch: int = 16) -> Tensor:
    """Peak signal-to-noise ratio of the reconstruction of each picture, in dB; images [B, 3, H, W] in -1..1."""
    errors = [(model(part).clamp(-1, 1) - part).square().flatten(1).mean(1) for part in torch.split(images, batch)]
    return -10 * torch.log10(torch.cat(errors) / 4)
