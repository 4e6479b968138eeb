"""Training of the UNet, together with the text encoder, on latents of drawn scenes."""

import random
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import torch
from torch import Tensor

from nodeflow.diffusion.models.unet import UNet, UNetConfig
from nodeflow.diffusion.models.vae import AutoencoderKL
from nodeflow.diffusion.training.autoencoder import generator
from nodeflow.diffusion.training.captions import Lexicon, caption
from nodeflow.diffusion.training.optimise import Descent, Loss, Report
from nodeflow.diffusion.training.scenes import TIGHT, Scene, draw_scene, render
from nodeflow.diffusion.training.sprites import Sprites
from nodeflow.diffusion.training.text import Encoder

CONFIG = UNetConfig(
    model_channels=48,
    channel_mult=(1, 2, 160 / 48),
    num_res_blocks=(1, 1, 1),
    transformer_depth=(0, 1, 1),
    transformer_depth_output=(0, 0, 1, 1, 1, 1),
    context_dim=128,
    num_heads=4,
    norm_groups=16,
)

UNPROMPTED = 0.1
"""Part of the pictures trained with the empty caption, which guidance subtracts."""


def alphas_cumprod() -> Tensor:
    """Part of the signal's power left at each of SD1's 1000 timesteps."""
    betas = torch.linspace(0.00085**0.5, 0.012**0.5, 1000, dtype=torch.float64).square()
    return torch.cumprod(1 - betas, dim=0)


def loss_weights(floor: float = 0.25, ceiling: float = 5.0) -> Tensor:
    """Weight of the squared error of the noise, per timestep: clamp(snr, floor, ceiling) / snr.

    The ceiling is min-SNR (Hang et al. 2023, arXiv:2303.09556). The floor keeps the noisiest timesteps from vanishing:
    there it is decided which thing and which background a small model paints.
    """
    kept = alphas_cumprod()
    snr = kept / (1 - kept)
    return snr.clamp(floor, ceiling) / snr


class LatentBank:
    """Latents of random scenes, a few of them replaced after every step so that they never run out.

    Slot and generation decide a scene, so the bank after any number of steps is reproducible.

    Args:
        vae: the trained autoencoder; its encoder is used.
        sprites: to draw the scenes with.
        slots: number of latents held.
        seed: of the scenes.

    Attributes:
        scenes: one per slot.
        latents: their scaled latents, [slots, 4, 16, 16].
        scale: multiplies raw latents, so that their spread is one.
    """

    def __init__(self, vae: AutoencoderKL, sprites: Sprites, slots: int, seed: int) -> None:
        self.scale = 1.0
        self._vae = vae
        self._sprites = sprites
        self._seed = seed
        self.scenes: list[Scene] = [self._scene(slot) for slot in range(slots)]
        self.latents = torch.zeros(0)

    def _scene(self, drawn: int) -> Scene:
        return draw_scene(random.Random(f"bank/{self._seed}/{drawn}"), freedom=TIGHT)

    @torch.no_grad()
    def encode(self, scenes: Sequence[Scene]) -> Tensor:
        """Scaled latents of scenes."""
        with torch.autocast("cpu", dtype=torch.bfloat16):
            mean = self._vae.encode_moments(render(scenes, self._sprites))[0]
        return mean.float() * self.scale

    def fill(self, threads: int = 2, batch: int = 16) -> None:
        """Encode all slots and set the scale by their spread."""
        parts = [self.scenes[start : start + batch] for start in range(0, len(self.scenes), batch)]
        with ThreadPoolExecutor(threads) as pool:
            raw = torch.cat(list(pool.map(self.encode, parts)))
        self.scale = float(f"{1 / raw.std().item():.4g}")
        self.latents = raw * self.scale

    def fresh(self, step: int, count: int) -> tuple[list[int], list[Scene], Tensor]:
        """New scenes and their latents for the slots whose turn it is after a step."""
        numbers = range(step * count, (step + 1) * count)
        scenes = [self._scene(len(self.scenes) + number) for number in numbers]
        return [number % len(self.scenes) for number in numbers], scenes, self.encode(scenes)

    def replace(self, slots: Sequence[int], scenes: Sequence[Scene], latents: Tensor) -> None:
        """Put new scenes into slots."""
        for slot, scene in zip(slots, scenes, strict=True):
            self.scenes[slot] = scene
        self.latents[list(slots)] = latents

    def state_dict(self) -> dict[str, Any]:
        """Everything needed to continue, but for the scenes: `load_state_dict` draws them again."""
        return {"latents": self.latents, "scale": self.scale}

    def load_state_dict(self, state: dict[str, Any], step: int, count: int) -> None:
        """Continue from a state taken after a step, at `count` fresh scenes per step."""
        self.latents, self.scale = state["latents"].clone(), state["scale"]
        slots = len(self.scenes)
        for number in range(max(0, step * count - slots), step * count):
            self.scenes[number % slots] = self._scene(slots + number)


def denoising_loss(unet: UNet, encoder: Encoder, lexicon: Lexicon, bank: LatentBank, batch: int, seed: int) -> Loss:
    """Weighted squared error of the predicted noise, at timesteps spread evenly over a batch."""
    kept = alphas_cumprod().float()
    weights = loss_weights().float()

    def loss(step: int, part: int) -> Tensor:
        numbers = generator(seed, step, part)
        rng = random.Random(f"denoise/{seed}/{step}/{part}")
        slots = torch.randint(len(bank.scenes), (batch,), generator=numbers)
        scenes = [bank.scenes[int(slot)] for slot in slots]
        captions = ["" if rng.random() < UNPROMPTED else caption(scene, rng) for scene in scenes]
        spread = (torch.arange(batch) + torch.rand(batch, generator=numbers)) / batch
        timesteps = (spread * len(kept)).long().clamp(max=len(kept) - 1)
        latents = bank.latents[slots]
        noise = torch.randn(latents.shape, generator=numbers)
        signal = kept[timesteps][:, None, None, None]
        noisy = signal.sqrt() * latents + (1 - signal).sqrt() * noise
        predicted = unet(noisy, timesteps, encoder(lexicon.encode(captions)))
        errors = (predicted - noise).square().flatten(1).mean(1)
        weighted: Tensor = weights[timesteps] * errors
        return weighted.mean()

    return loss


def train(descent: Descent, loss: Loss, bank: LatentBank, fresh: int = 2, threads: int = 2) -> Iterator[Report]:
    """Take the remaining steps; new scenes are encoded beside them and put into the bank between them."""
    with ThreadPoolExecutor(1) as side:
        pending = side.submit(bank.fresh, descent.step, fresh)
        for report in descent.run(loss, threads):
            bank.replace(*pending.result())
            pending = side.submit(bank.fresh, report.step, fresh)
            yield report
