"""A glance at a latent without the autoencoder: a linear map of its channels to colours."""

import torch

from nodeflow.diffusion.types import Image, Latent


@torch.inference_mode()
def preview(latent: Latent) -> Image | None:
    """Gives a small picture of the first latent.

    Args:
        latent: Raw latents.

    Returns:
        One picture [1, h, w, 3], a pixel per latent cell; None where no linear map is known for its space.
    """
    space = latent.format
    if space is None or not space.preview:
        return None
    scaled = (latent.samples[:1].float().cpu() - space.shift) * space.scale
    colours = scaled.permute(0, 2, 3, 1) @ torch.tensor(space.preview) + torch.tensor(space.preview_bias)  # 1 h w 3
    return Image(((colours + 1) / 2).clamp(0.0, 1.0), latent.items[:1])
