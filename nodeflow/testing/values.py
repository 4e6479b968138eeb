"""Ready-made small values of every kind that built-in nodes know, equal in every process.

The module imports without torch.
"""

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

from nodeflow.diffusion.latent_formats import SD1
from nodeflow.diffusion.types import Clip, Conditioning, Entry, Image, Latent, Mask, Model, Prediction, Vae

if TYPE_CHECKING:
    import torch
    from torch import nn

WIDTH, HEIGHT = 48, 32
"""Pixels of the ready-made values; not square, so that a node that mixes up the two sides is found."""

_FEATURES = 8
_TOKENS = 77
_CELL = 8


def an_image(width: int = WIDTH, height: int = HEIGHT, *, batch: int = 1, alpha: bool = False) -> Image:
    """Pictures with a gradient from left to right in red and from top to bottom in green; rows differ in blue."""
    import torch

    rows, columns = torch.linspace(0, 1, height), torch.linspace(0, 1, width)
    pictures: list[torch.Tensor] = []
    for index in range(batch):
        planes = [columns.expand(height, width), rows[:, None].expand(height, width)]
        planes.append(torch.full((height, width), (index + 1) / (batch + 1)))
        planes += [torch.ones(height, width)] * alpha
        pictures.append(torch.stack(planes, dim=-1))
    return Image(torch.stack(pictures))


def a_mask(width: int = WIDTH, height: int = HEIGHT, *, batch: int = 1) -> Mask:
    """Masks that choose the right half, with a soft edge."""
    import torch

    line = torch.linspace(-2, 3, width).clamp(0, 1)
    return Mask(line.expand(batch, height, width).clone())


def a_latent(width: int = WIDTH, height: int = HEIGHT, *, batch: int = 1) -> Latent:
    """Latents of pictures of that many pixels, with four smooth channels; they fit ``a_model`` and ``a_vae``."""
    return Latent(_waves(batch, SD1.channels, height // _CELL, width // _CELL), SD1)


def a_conditioning(features: int = _FEATURES) -> Conditioning:
    """What a text of 77 tokens could have become; it fits ``a_model``."""
    return Conditioning((Entry(_waves(1, _TOKENS, features)),))


def a_model() -> Model:
    """A denoising network of random weights that runs in milliseconds; what it makes is noise."""
    from nodeflow.diffusion.models.unet import UNet, UNetConfig

    config = UNetConfig(
        model_channels=_FEATURES,
        channel_mult=(1, 2),
        num_res_blocks=(1, 1),
        transformer_depth=(0, 1),
        transformer_depth_output=(0, 0, 1, 1),
        context_dim=_FEATURES,
        num_heads=2,
        norm_groups=4,
    )
    return Model(_filled(lambda: UNet(config)), Prediction.EPS, SD1, context_dim=_FEATURES, family="sd1")


def a_vae() -> Vae:
    """An autoencoder of random weights that runs in milliseconds."""
    from nodeflow.diffusion.models.vae import AutoencoderKL, VAEConfig

    config = VAEConfig(channels=_FEATURES, channel_mult=(1, 1, 1, 2), num_res_blocks=1, norm_groups=4)
    return Vae(_filled(lambda: AutoencoderKL(config)), SD1)


def a_clip() -> Clip:
    """A text encoder of random weights, with the real tokenizer; loading ``transformers`` takes seconds."""
    from nodeflow.diffusion.models.clip import TextConfig, text_model
    from nodeflow.diffusion.tokens import Tokenizer

    config = TextConfig(width=_FEATURES, layers=1, heads=2, mlp=16)
    return Clip(_filled(lambda: text_model(config)), Tokenizer.from_package())


def _waves(*shape: int) -> "torch.Tensor":
    """Numbers between -1 and 1 that repeat nowhere soon."""
    import torch

    return torch.arange(math.prod(shape), dtype=torch.float32).mul(0.7).sin().reshape(shape)


def _filled(build: "Callable[[], nn.Module]") -> "nn.Module":
    """A network with weights that do not depend on what was drawn before, ready to be called."""
    import torch

    with torch.random.fork_rng(devices=()), torch.no_grad():
        torch.manual_seed(0)
        network = build()
        for name, weight in network.named_parameters():
            level = float(weight.ndim == 1 and name.endswith("weight"))  # the scale of a norm
            spread = 0.1 if weight.ndim == 1 else 1 / math.sqrt(weight[0].numel())
            weight.copy_(torch.randn(weight.shape) * spread + level)
    return network.requires_grad_(False).eval()
