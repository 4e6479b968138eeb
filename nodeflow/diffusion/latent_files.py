"""Latents as files: safetensors as ComfyUI's SaveLatent and LoadLatent have them."""

from collections.abc import Mapping

import torch
from safetensors.torch import save

from nodeflow.diffusion.types import Latent


def write_latent(latent: Latent, text: Mapping[str, str] | None = None) -> bytes:
    """Encodes all rows of a latent; the noise mask is not part of the format.

    Args:
        latent: Raw latents.
        text: Entries for the file's metadata.
    """
    tensors = {
        "latent_tensor": latent.samples.detach().cpu().contiguous(),
        "latent_format_version_0": torch.empty(0),  # its presence says that the samples are raw, not scaled
    }
    return save(tensors, dict(text or {}))
