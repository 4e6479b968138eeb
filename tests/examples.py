"""Inputs for nodes of the built-in pack that `nodeflow pack check nodeflow_nodes` cannot make up by itself."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

import nodeflow_nodes
from nodeflow.testing import a_clip, a_latent, a_model, example

EMBEDDED = Path(nodeflow_nodes.__file__).parent / "models" / "checkpoints" / "emoji-tiny.safetensors"


@cache
def folder() -> Path:
    return Path(mkdtemp(prefix="nodeflow-examples-"))


@cache
def lora() -> Path:
    import torch
    from safetensors.torch import save_file

    layer = "lora_unet_input_blocks_3_1_transformer_blocks_0_attn1_to_q"
    weights = {f"{layer}.lora_down.weight": torch.ones(1, 16), f"{layer}.lora_up.weight": torch.ones(16, 1)}
    save_file(weights, folder() / "example-lora.safetensors")
    return folder() / "example-lora.safetensors"


@example("LoadCheckpoint")
def a_checkpoint() -> Mapping[str, object]:
    return {"checkpoint": EMBEDDED}


@example("UNETLoader")
def a_unet() -> Mapping[str, object]:
    return {"unet": EMBEDDED}


@example("CLIPLoader")
def a_text_encoder() -> Mapping[str, object]:
    return {"clip": EMBEDDED}


@example("VAELoader")
def an_autoencoder() -> Mapping[str, object]:
    return {"vae": EMBEDDED}


@example("LatentCrop")
def a_latent_that_can_be_cropped() -> Mapping[str, object]:
    return {"latent": a_latent(128, 96), "width": 64, "height": 72, "x": 16, "y": 8}


@example("LoadLatent")
def a_latent_file() -> Mapping[str, object]:
    from nodeflow.diffusion.latent_files import write_latent

    (folder() / "example.latent").write_bytes(write_latent(a_latent()))
    return {"latent": folder() / "example.latent"}


@example("TakeItem")
def one_of_three() -> Mapping[str, object]:
    return {"value": a_latent(batch=3), "index": 1}


@example("LoraLoader")
def a_lora() -> Mapping[str, object]:
    return {"model": a_model(), "clip": a_clip(), "lora": lora()}


@example("LoraLoaderModelOnly")
def a_lora_for_the_model_alone() -> Mapping[str, object]:
    return {"model": a_model(), "lora": lora(), "strength_model": 0.5}
