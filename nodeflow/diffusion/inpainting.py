"""Pictures of which a part is to be painted anew: what is hidden of them, and how they are encoded.

Where memory does not do for a whole picture it is encoded in tiles, as everywhere.
"""

import math
from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor

from nodeflow.diffusion.autoencoding import encode_in_room
from nodeflow.diffusion.errors import ValueRuleError
from nodeflow.diffusion.types import Conditioning, Image, Inpaint, Latent, Mask, Vae

_GREY = 0.5


def encode_hidden(vae: Vae, image: Image, mask: Mask, grow: int = 6) -> tuple[Latent, bool]:
    """Encodes pictures whose masked part is grey, for a sampler to paint there from noise alone.

    Args:
        vae: The autoencoder.
        image: The pictures.
        mask: Where they are hidden, at any size, one for all or one for each; half and more counts.
        grow: By how many pixels in all the part that the sampler may change is larger than the hidden one, across and
            down, so that no seam is left.

    Returns:
        Raw latents with a noise mask, and whether they were made in tiles.

    Raises:
        ValueRuleError: Another number of masks, or a picture that is smaller than a latent cell.
    """
    seen, hidden = _hidden(vae, image, mask)
    latent, in_tiles = encode_in_room(vae, seen)
    if grow:
        padded = F.conv2d(hidden, hidden.new_ones(1, 1, grow, grow), padding=math.ceil((grow - 1) / 2))
        hidden = padded[..., : seen.height, : seen.width].clamp(0.0, 1.0)
    return replace(latent, noise_mask=Mask(hidden[:, 0])), in_tiles


def inpaint_of(vae: Vae, image: Image, mask: Mask) -> tuple[Inpaint, bool]:
    """What an in-painting model is told: the mask, and the pictures with their masked part grey.

    Args:
        vae: The autoencoder.
        image: The pictures.
        mask: Where they are to be painted anew, at any size, one for all or one for each.

    Returns:
        That, and whether the pictures were encoded in tiles.

    Raises:
        ValueRuleError: Another number of masks, or a picture that is smaller than a latent cell.
    """
    seen, _ = _hidden(vae, image, mask)
    latent, in_tiles = encode_in_room(vae, seen)
    return Inpaint(Mask(_fitted(vae, image, mask)[:, 0]), latent), in_tiles


def edit_of(vae: Vae, image: Image) -> tuple[Inpaint, bool]:
    """What an editing model is told: the picture to be changed, all of it; and whether it was encoded in tiles."""
    latent, in_tiles = encode_in_room(vae, image)
    return Inpaint(Mask(torch.ones(1, latent.height, latent.width)), latent), in_tiles


def told(conditioning: Conditioning, inpaint: Inpaint) -> Conditioning:
    """The same conditioning, with every entry telling the network this."""
    return conditioning.map(lambda entry: replace(entry, inpaint=inpaint))


def _hidden(vae: Vae, image: Image, mask: Mask) -> tuple[Image, Tensor]:
    """The pictures, cut to whole cells, with grey where they are masked; and that part, [1 or B, 1, H, W]."""
    part = _fitted(vae, image, mask).round()
    pixels = _cut(image.pixels[..., :3].movedim(-1, 1), vae.latent_format.factor)
    grey = (pixels - _GREY) * (1 - part) + _GREY
    return Image(grey.movedim(1, -1).contiguous(), image.items), part


def _fitted(vae: Vae, image: Image, mask: Mask) -> Tensor:
    """The mask at the size of the pictures, cut to whole cells as they are, [1 or B, 1, H, W]."""
    if len(mask) not in (1, len(image)):
        raise ValueRuleError(f"{len(mask)} masks for {len(image)} pictures; give one for all or one for each")
    size = (image.height, image.width)
    whole = F.interpolate(mask.values[:, None], size=size, mode="bilinear", align_corners=False)
    return _cut(whole, vae.latent_format.factor)


def _cut(x: Tensor, cell: int) -> Tensor:
    """Cuts the sides of [B, C, H, W] off to whole cells, as the autoencoder does."""
    high, wide = x.shape[-2:]
    if high < cell or wide < cell:
        raise ValueRuleError(f"a picture of {wide} x {high} is too small; {cell} x {cell} is the least")
    top, left = high % cell // 2, wide % cell // 2
    return x[..., top : top + high // cell * cell, left : left + wide // cell * cell]
