"""What editing networks see beside the noisy latent: a mask and the masked picture, or the picture to be changed."""

import torch
import torch.nn.functional as F
from torch import Tensor

from nodeflow.diffusion.errors import ValueRuleError
from nodeflow.diffusion.sampling.evaluation import Beside
from nodeflow.diffusion.sampling.masked import in_cells
from nodeflow.diffusion.types import Conditioning, Entry, Latent, Model

INPAINTING, EDITING = 5, 4
"""Channels beside the latent: mask and masked picture (stable-diffusion-inpainting), picture (2211.09800)."""
_GREY = (0.8223, -0.6876, 0.6364, 0.1380)
"""A wholly masked, hence grey, picture in the space of Stable Diffusion 1's network."""


def require_known(model: Model) -> None:
    """Checks that it is known what a network takes beside the latent.

    Raises:
        ValueRuleError: It takes some other number of channels.
    """
    if model.beside not in (0, EDITING, INPAINTING):
        channels = model.latent_format.channels
        raise ValueRuleError(
            f"the model takes {channels + model.beside} channels; {channels}, and {channels + EDITING} (editing) or "
            f"{channels + INPAINTING} (in-painting), are what can be given to it"
        )


def require_fitting_inpaint(name: str, conditioning: Conditioning, model: Model, latent: Latent) -> None:
    """Checks the masked pictures of a conditioning, where the model looks at them.

    Raises:
        ValueRuleError: Another latent space, or other rows than the latent's.
    """
    channels = model.latent_format.channels
    for inpaint in (entry.inpaint for entry in conditioning.entries if entry.inpaint is not None and model.beside):
        found = inpaint.latent.samples.shape[1]
        if found != channels:
            raise ValueRuleError(
                f"the picture in the {name} conditioning has {found} channels, the model takes {channels}; "
                "encode it with the autoencoder of the same checkpoint"
            )
        for what, rows in (("mask", len(inpaint.mask)), ("picture", len(inpaint.latent))):
            if rows not in (1, len(latent)):
                raise ValueRuleError(
                    f"the {name} conditioning has {rows} rows in its {what}, the latent {len(latent)}; "
                    "give it one for all or one for each"
                )


def beside_of(model: Model, latent: Latent, clean: Tensor) -> Beside | None:
    """What the network of a model sees beside the noisy latent of a run, for each entry of a conditioning.

    An entry without a masked picture of its own gets the noise mask and the latent of the run, or, where there is no
    mask either, a picture that is masked everywhere. A network for editing gets an empty picture then.

    Args:
        model: Says what it takes.
        latent: Where the run starts.
        clean: The same in the network's space, [B, C, h, w].

    Returns:
        None for networks that see nothing else.
    """
    space = model.latent_format

    def painting(entry: Entry, size: tuple[int, int]) -> Tensor:
        if entry.inpaint is not None:
            mask = _resized(entry.inpaint.mask.values[:, None], size)
            picture = (_resized(entry.inpaint.latent.samples.to(clean), size) - space.shift) * space.scale
        elif latent.noise_mask is not None:
            mask, picture = in_cells(latent.noise_mask, size, clean.device), _resized(clean, size)
        else:
            mask = clean.new_ones(1, 1, *size)
            picture = clean.new_tensor(_GREY)[None, :, None, None].expand(1, -1, *size)
        rows = max(len(mask), len(picture))
        return torch.cat([part.expand(rows, -1, -1, -1) for part in (mask.round(), picture)], dim=1)

    def editing(entry: Entry, size: tuple[int, int]) -> Tensor:
        """InstructPix2Pix sees its picture raw, unlike the noisy latent."""
        if entry.inpaint is None:
            return clean.new_zeros(1, clean.shape[1], *size)
        return _resized(entry.inpaint.latent.samples.to(clean), size)

    return {0: None, EDITING: editing, INPAINTING: painting}[model.beside]


def _resized(x: Tensor, size: tuple[int, int]) -> Tensor:
    """Scales [B, C, H, W], its sides cut off to keep the proportions as far as a row and a column remain."""
    if (x.shape[-2], x.shape[-1]) == size:
        return x
    (high, wide), (rows, columns) = x.shape[-2:], size
    across = round((wide - high * columns / rows) / 2) if wide * rows > high * columns else 0
    down = round((high - wide * rows / columns) / 2) if wide * rows < high * columns else 0
    down, across = min(down, (high - 1) // 2), min(across, (wide - 1) // 2)
    x = x[..., down : high - down, across : wide - across]
    return F.interpolate(x, size=size, mode="bilinear", align_corners=False)
