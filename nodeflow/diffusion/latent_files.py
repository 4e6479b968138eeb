"""Latents as files: safetensors as ComfyUI's SaveLatent and LoadLatent have them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from nodeflow.diffusion.errors import ValueRuleError
from nodeflow.diffusion.latent_formats import SD1
from nodeflow.diffusion.types import Latent

_SAMPLES, _RAW = "latent_tensor", "latent_format_version_0"


def write_latent(latent: Latent, text: Mapping[str, str] | None = None) -> bytes:
    """Encodes all rows of a latent; the noise mask is not part of the format.

    Args:
        latent: Raw latents.
        text: Entries for the file's metadata.
    """
    tensors = {
        _SAMPLES: latent.samples.detach().cpu().contiguous(),
        _RAW: torch.empty(0),  # its presence says that the samples are raw, not scaled
    }
    return save(tensors, dict(text or {}))


def read_latent(path: Path | str) -> Latent:
    """Reads a latent from a file.

    The format does not say of which space it is, so it fits every model of so many channels. Files from before the mark
    of raw samples hold those of Stable Diffusion 1 as its network sees them, and are scaled back.

    Returns:
        float32 [B, C, h, w], a batch of its own.

    Raises:
        ValueRuleError: The file is no latent, or damaged.
        OSError: It cannot be read.
    """
    file = Path(path)
    with file.open("rb"):  # what cannot be opened is told as such
        pass
    try:
        opened: Any = safe_open(file, framework="pt")
        with opened as content:
            tensors: dict[str, torch.Tensor] = {name: content.get_tensor(name) for name in content.keys()}  # noqa: SIM118
    except SafetensorError as error:
        raise ValueRuleError(f"{file.name} is no latent that SaveLatent wrote, or it is damaged: {error}") from error
    samples = tensors.get(_SAMPLES)
    if samples is None or not samples.is_floating_point():
        raise ValueRuleError(
            f"{file.name} holds no latent: there is no floating point tensor {_SAMPLES!r} among {', '.join(tensors)}"
        )
    return Latent(samples.float() if _RAW in tensors else samples.float() / SD1.scale)
