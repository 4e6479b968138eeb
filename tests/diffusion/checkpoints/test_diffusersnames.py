"""Names of weights, ours and those of diffusers, held against the networks of diffusers themselves."""

import gzip
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import AutoencoderKL, UNet2DConditionModel

from nodeflow.diffusion.checkpoints.diffusersnames import Renaming, unet_renaming, vae_renaming

HEADERS = Path(__file__).parents[2] / "headers"
SD1: dict[str, Any] = {"cross_attention_dim": 768, "attention_head_dim": 8}
SDXL: dict[str, Any] = {
    "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
    "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
    "block_out_channels": (320, 640, 1280),
    "transformer_layers_per_block": (1, 2, 10),
    "attention_head_dim": (5, 10, 20),
    "cross_attention_dim": 2048,
    "use_linear_projection": True,
    "addition_embed_type": "text_time",
    "addition_time_embed_dim": 256,
    "projection_class_embeddings_input_dim": 2816,
}
VAE: dict[str, Any] = {
    "down_block_types": ("DownEncoderBlock2D",) * 4,
    "up_block_types": ("UpDecoderBlock2D",) * 4,
    "block_out_channels": (128, 256, 512, 512),
    "layers_per_block": 2,
}
Shapes = dict[str, list[int]]


def theirs(network: Any, settings: Mapping[str, Any]) -> Shapes:
    with torch.device("meta"):
        return {name: list(weight.shape) for name, weight in network(**settings).state_dict().items()}


def ours(header: str, prefix: str) -> Shapes:
    lines = gzip.decompress((HEADERS / f"{header}.txt.gz").read_bytes()).decode().splitlines()
    found = (line.split(" ", 1) for line in lines if line.startswith(prefix))
    return {name.removeprefix(prefix): json.loads(shape) for name, shape in found}


def squeezed(shape: list[int]) -> list[int]:
    """The autoencoder's attention has 1x1 convolutions in one layout and matrices in the other."""
    return shape[:2] if shape[2:] == [1, 1] else shape


def agree(renaming: Renaming, our: Shapes, their: Shapes) -> None:
    assert {renaming.to_theirs(name): squeezed(shape) for name, shape in our.items()} == {
        name: squeezed(shape) for name, shape in their.items()
    }
    assert {renaming.to_ours(name) for name in their} == set(our)


@pytest.mark.parametrize(("header", "settings"), [("sd15", SD1), ("sdxl", SDXL)])
def test_every_weight_of_a_unet_has_its_name_in_both_layouts(header: str, settings: Mapping[str, Any]) -> None:
    our, their = ours(header, "model.diffusion_model."), theirs(UNet2DConditionModel, settings)
    agree(unet_renaming(our), our, their)
    agree(unet_renaming(their), our, their)


def test_every_weight_of_an_autoencoder_has_its_name_in_both_layouts() -> None:
    our, their = ours("sd15", "first_stage_model."), theirs(AutoencoderKL, VAE)
    agree(vae_renaming(our), our, their)
    agree(vae_renaming(their), our, their)


@pytest.mark.parametrize(
    ("old", "new"), [("query", "q"), ("key", "k"), ("value", "v"), ("proj_attn", "proj_out"), ("group_norm", "norm")]
)
def test_old_names_of_the_attention_in_autoencoders_are_known(old: str, new: str) -> None:
    renaming = vae_renaming(["encoder.down_blocks.0.resnets.0.conv1.weight"])
    assert renaming.to_ours(f"decoder.mid_block.attentions.0.{old}.bias") == f"decoder.mid.attn_1.{new}.bias"


def test_what_no_network_has_has_no_other_name() -> None:
    renaming = unet_renaming(["down_blocks.0.resnets.0.conv1.weight"])
    assert renaming.to_ours("up_blocks.9.resnets.0.conv1.weight") is None
    assert renaming.to_theirs("") is None
