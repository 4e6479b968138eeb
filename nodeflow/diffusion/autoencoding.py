"""Pictures to latents and back."""

from collections.abc import Callable

import torch
from torch import Tensor

from nodeflow.diffusion.errors import NonFiniteError, ValueRuleError
from nodeflow.diffusion.memory import threads_for
from nodeflow.diffusion.models.vae import AutoencoderKL
from nodeflow.diffusion.types import Image, Latent, Vae


@torch.inference_mode()
def decode(vae: Vae, latent: Latent) -> Image:
    """Turns latents into pictures.

    Args:
        vae: The autoencoder.
        latent: Raw latents of its space.

    Returns:
        Pictures on the CPU, clamped to 0..1; each knows which item it is.

    Raises:
        ValueRuleError: The latents are of another space, or the autoencoder was released.
        NonFiniteError: The autoencoder produced NaN or infinity.
    """
    network = _network(vae)
    space = vae.latent_format
    if latent.format not in (None, space) or latent.samples.shape[1] != space.channels:
        found = "an unknown space" if latent.format is None else latent.format.name
        raise ValueRuleError(
            f"the latent is of {found} with {latent.samples.shape[1]} channels, the autoencoder works in {space.name} "
            f"with {space.channels}; use the one of the same checkpoint"
        )
    pixels = _row_by_row(network.decode, latent.samples, vae, "decoder of the autoencoder")
    return Image(((pixels + 1) / 2).clamp(0.0, 1.0).permute(0, 2, 3, 1).contiguous(), latent.items)


@torch.inference_mode()
def encode_image(vae: Vae, image: Image) -> Latent:
    """Turns pictures into latents: the mean of the posterior, so the same picture always gives the same latent.

    Args:
        vae: The autoencoder.
        image: Pictures; they are cropped centrally to whole latent cells, and an alpha channel is dropped.

    Returns:
        Raw latents on the CPU, float32; each knows which item it is.

    Raises:
        ValueRuleError: The pictures are smaller than one latent cell, or the autoencoder was released.
        NonFiniteError: The autoencoder produced NaN or infinity.
    """
    network = _network(vae)
    cell = vae.latent_format.factor
    if image.width < cell or image.height < cell:
        raise ValueRuleError(f"a picture of {image.width} x {image.height} is too small; {cell} x {cell} is the least")
    planes = _whole_cells(image.pixels[..., :3], cell).permute(0, 3, 1, 2) * 2 - 1  # b h w c -> b c h w, -1..1
    mean = _row_by_row(lambda x: network.encode_moments(x)[0], planes, vae, "encoder of the autoencoder")
    return Latent(mean, vae.latent_format, image.items)


def _network(vae: Vae) -> AutoencoderKL:
    vae.require_weights()
    assert isinstance(vae.network, AutoencoderKL)
    return vae.network


def _whole_cells(pixels: Tensor, cell: int) -> Tensor:
    high, wide = (size // cell * cell for size in pixels.shape[1:3])
    top, left = (pixels.shape[1] - high) // 2, (pixels.shape[2] - wide) // 2
    return pixels[:, top : top + high, left : left + wide]


def _row_by_row(function: Callable[[Tensor], Tensor], x: Tensor, vae: Vae, what: str) -> Tensor:
    """Applies a function in the network's precision; float32 on the CPU comes back.

    One picture at a time takes the memory of one, and gives the same bytes whatever batch it is in.
    """
    weight = next(vae.network.parameters())
    # The work is done at the size of the picture, whichever side of the network that is on.
    cells = x.shape[-2] * x.shape[-1]
    places = cells if x.shape[1] == 3 else cells * vae.latent_format.factor**2
    with threads_for(vae.network, weight.device, places):
        rows = [function(row[None].to(weight.device, weight.dtype)).float().cpu() for row in x]
    out = torch.cat(rows)
    if not bool(torch.isfinite(out).all()):
        raise NonFiniteError(f"the {what} produced NaN or infinity; the file may be damaged, or try dtype fp32")
    return out
