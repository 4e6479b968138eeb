"""Pictures to latents and back."""

from collections.abc import Callable
from typing import TypeVar

import torch
from torch import Tensor

from nodeflow.diffusion.errors import NonFiniteError, ValueRuleError
from nodeflow.diffusion.memory import computes_in, threads_for
from nodeflow.diffusion.models.vae import AutoencoderKL
from nodeflow.diffusion.tiling import in_three_tilings
from nodeflow.diffusion.types import Image, Latent, Vae

T = TypeVar("T")

_DECODER = "decoder of the autoencoder"
_ENCODER = "encoder of the autoencoder"


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
    network = _fitting(vae, latent)
    return _image(_row_by_row(network.decode, latent.samples, vae, _DECODER), latent)


@torch.inference_mode()
def decode_tiled(vae: Vae, latent: Latent, tile: int = 512, overlap: int = 64) -> Image:
    """Turns latents into pictures in tiles, in much less memory; seams are faded but colours may differ a little.

    Args:
        vae: The autoencoder.
        latent: Raw latents of its space.
        tile: Side of a tile in pixels.
        overlap: Of neighbouring tiles in pixels; at most a quarter of `tile` is used.

    Raises:
        ValueRuleError: The latents are of another space, a tile has less than four cells, or the autoencoder was
            released.
        NonFiniteError: The autoencoder produced NaN or infinity.
    """
    network, factor = _fitting(vae, latent), vae.latent_format.factor
    side, over = _tiles(tile, overlap, factor)

    def decoded(row: Tensor) -> Tensor:
        return in_three_tilings(network.decode, row, side // factor, over // factor, factor)

    return _image(_row_by_row(decoded, latent.samples, vae, _DECODER), latent)


def decode_in_room(vae: Vae, latent: Latent) -> tuple[Image, bool]:
    """Turns latents into pictures, in tiles where memory does not do for the whole; for errors see `decode`.

    Returns:
        The pictures, and whether they were made in tiles.
    """
    return _in_room(lambda: decode(vae, latent), lambda: decode_tiled(vae, latent))


def encode_in_room(vae: Vae, image: Image) -> tuple[Latent, bool]:
    """Turns pictures into latents, in tiles where memory does not do for the whole; for errors see `encode_image`.

    Returns:
        The latents, and whether they were made in tiles.
    """
    return _in_room(lambda: encode_image(vae, image), lambda: encode_tiled(vae, image))


def _in_room(whole: Callable[[], T], in_tiles: Callable[[], T]) -> tuple[T, bool]:
    try:
        return whole(), False
    except (torch.OutOfMemoryError, MemoryError):
        pass
    except RuntimeError as error:  # what torch's allocator for the CPU raises
        if "allocate memory" not in str(error):
            raise
    # Outside of the handlers: the error, and with it what the whole took, is gone now.
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    return in_tiles(), True


def _tiles(tile: int, overlap: int, factor: int) -> tuple[int, int]:
    if tile < 4 * factor:
        raise ValueRuleError(f"a tile of {tile} pixels is too small; {4 * factor} is the least")
    return tile, min(overlap, tile // 4)


def _image(pixels: Tensor, latent: Latent) -> Image:
    return Image(((pixels + 1) / 2).clamp(0.0, 1.0).permute(0, 2, 3, 1).contiguous(), latent.items)


def _fitting(vae: Vae, latent: Latent) -> AutoencoderKL:
    """The network, once the latent is known to be of its space."""
    network = _network(vae)
    space = vae.latent_format
    if latent.format not in (None, space) or latent.samples.shape[1] != space.channels:
        found = "an unknown space" if latent.format is None else latent.format.name
        raise ValueRuleError(
            f"the latent is of {found} with {latent.samples.shape[1]} channels, the autoencoder works in {space.name} "
            f"with {space.channels}; use the one of the same checkpoint"
        )
    return network


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
    planes = _planes(vae, image)
    return _latent(_row_by_row(lambda x: network.encode_moments(x)[0], planes, vae, _ENCODER), vae, image)


@torch.inference_mode()
def encode_tiled(vae: Vae, image: Image, tile: int = 512, overlap: int = 64) -> Latent:
    """Turns pictures into latents in tiles, in much less memory.

    Args:
        vae: The autoencoder.
        image: Pictures, see `encode_image`.
        tile: Side of a tile in pixels, rounded down so that half of it is whole latent cells.
        overlap: Of neighbouring tiles in pixels; at most a quarter of `tile` is used.

    Raises:
        ValueRuleError: The pictures or the tiles are too small, or the autoencoder was released.
        NonFiniteError: The autoencoder produced NaN or infinity.
    """
    network, factor = _network(vae), vae.latent_format.factor
    side, over = _tiles(tile, overlap, factor)
    # Seams lie between cells, those of the tilings with halved tiles too.
    side, over = side // (2 * factor) * (2 * factor), over // factor * factor

    def mean(row: Tensor) -> Tensor:
        return in_three_tilings(lambda x: network.encode_moments(x)[0], row, side, over, 1 / factor)

    return _latent(_row_by_row(mean, _planes(vae, image), vae, _ENCODER), vae, image)


def _latent(mean: Tensor, vae: Vae, image: Image) -> Latent:
    return Latent(mean, vae.latent_format, image.items)


def _planes(vae: Vae, image: Image) -> Tensor:
    """The colours [B, 3, H, W] in -1..1, cut to whole cells."""
    cell = vae.latent_format.factor
    if image.width < cell or image.height < cell:
        raise ValueRuleError(f"a picture of {image.width} x {image.height} is too small; {cell} x {cell} is the least")
    return _whole_cells(image.pixels[..., :3], cell).permute(0, 3, 1, 2) * 2 - 1  # b h w c -> b c h w


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
    weight, dtype = next(vae.network.parameters()), computes_in(vae.network)
    # The work is done at the size of the picture, whichever side of the network that is on.
    cells = x.shape[-2] * x.shape[-1]
    places = cells if x.shape[1] == 3 else cells * vae.latent_format.factor**2
    with threads_for(vae.network, weight.device, places):
        rows = [function(row[None].to(weight.device, dtype)).float().cpu() for row in x]
    out = torch.cat(rows)
    if not bool(torch.isfinite(out).all()):
        raise NonFiniteError(f"the {what} produced NaN or infinity; the file may be damaged, or try dtype fp32")
    return out
