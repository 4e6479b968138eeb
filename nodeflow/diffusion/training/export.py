"""One file in Stable Diffusion 1's layout out of the trained parts."""

import json
import os
from collections.abc import Mapping
from pathlib import Path

from safetensors.torch import save
from torch import Tensor

from nodeflow.diffusion.training import autoencoder, denoiser, text
from nodeflow.diffusion.training.captions import Lexicon


def described(scale: float) -> dict[str, object]:
    """What shapes cannot tell; the loader finds it under the metadata key `nodeflow.config`."""
    return {
        "unet": {"num_heads": denoiser.CONFIG.num_heads, "norm_groups": denoiser.CONFIG.norm_groups},
        "vae": {"norm_groups": autoencoder.CONFIG.norm_groups},
        "text": {"heads": text.CONFIG.heads, "activation": text.CONFIG.activation},
        "latent": {"name": "emoji", "scale": scale, "preview": "anchored"},
        "prediction": "eps",
    }


Weights = Mapping[str, Tensor]


def full_text(encoder: Weights, lexicon: Lexicon) -> dict[str, Tensor]:
    """The text encoder's weights with a row for each of CLIP's tokens; unknown ones share row 0."""
    table = "embeddings.token_embedding.weight"
    named = {key.removeprefix("model.").removeprefix("text_model."): value for key, value in encoder.items()}
    return named | {table: named[table][lexicon.row_of]}


def checkpoint(unet: Weights, vae: Weights, encoder: Weights, lexicon: Lexicon) -> dict[str, Tensor]:
    """All weights under the names of a Stable Diffusion 1 file, in half precision."""
    parts = {
        "model.diffusion_model.": unet,
        "first_stage_model.": vae,
        "cond_stage_model.transformer.text_model.": full_text(encoder, lexicon),
    }
    return {
        prefix + key: value.detach().half().contiguous()
        for prefix, weights in parts.items()
        for key, value in sorted(weights.items())
    }


def write(tensors: Weights, scale: float, path: Path) -> None:
    """Write a safetensors file; it appears under its name only when it is complete."""
    data = save(dict(tensors), metadata={"nodeflow.config": json.dumps(described(scale), sort_keys=True)})
    partial = path.with_name(path.name + ".partial")
    with partial.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)
