"""Training of the UNet, together with the text encoder, on latents of drawn scenes."""

import random

import torch
from torch import Tensor

from nodeflow.diffusion.models.unet import UNet, UNetConfig
from nodeflow.diffusion.training.autoencoder import generator
from nodeflow.diffusion.training.captions import Lexicon, caption
from nodeflow.diffusion.training.latents import LatentBank
from nodeflow.diffusion.training.optimise import Loss
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
