"""What files call the weights that they change: every name under which a trainer may know a layer of ours."""

import re
from collections.abc import Iterator, Mapping

from nodeflow.diffusion.checkpoints.diffusersnames import unet_renaming
from nodeflow.diffusion.networks import Clip, Model

_WEIGHT = ".weight"
_PROJECTIONS = {"q_proj": "to_q", "k_proj": "to_k", "v_proj": "to_v", "out_proj": "to_out"}
"""Attention of the text encoder: its names, and those that old versions of diffusers wrote."""


def targets(value: Model | Clip) -> Mapping[str, str]:
    """Every name that a file may have for a layer of a network, to the layer's own name.

    Known are kohya's names over Stable Diffusion's or diffusers' paths, those of LyCORIS, diffusers, PEFT and ComfyUI.
    """
    layers = [name.removesuffix(_WEIGHT) for name, _ in value.network.named_parameters() if name.endswith(_WEIGHT)]
    if isinstance(value, Clip):
        return {alias: layer for layer in layers for alias in _text_names(layer)}
    renaming = unet_renaming(layers)
    return {alias: layer for layer in layers for alias in _unet_names(layer, renaming.to_theirs(layer))}


def is_for_text(name: str) -> bool:
    """Whether a name in a file is one of a text encoder."""
    return name.startswith(("lora_te", "text_encoder", "text_model")) or ".text_model." in name


def _unet_names(layer: str, theirs: str | None) -> Iterator[str]:
    yield f"lora_unet_{_flat(layer)}"
    yield f"diffusion_model.{layer}"
    if theirs is None:
        return
    yield f"lora_unet_{_flat(theirs)}"
    yield f"lycoris_{_flat(theirs)}"
    dotted = [theirs]
    if ".attn" in theirs:  # diffusers once kept them in the processor of an attention layer
        dotted.append(re.sub(r"\.(to_\w+)(\.0)?$", r".processor.\1", theirs))
    for name in dotted:
        yield from (name, f"unet.{name}", f"base_model.model.{name}")


def _text_names(layer: str) -> Iterator[str]:
    # transformers dropped "text_model." from its names in version 5; files keep it.
    short = layer.removeprefix("text_model.")
    full = f"text_model.{short}"
    for prefix in ("lora_te_", "lora_te1_"):
        yield prefix + _flat(full)
    old = re.sub(r"(\w+_proj)$", lambda match: _PROJECTIONS[match[1]], full) if ".self_attn." in full else full
    for name in dict.fromkeys((full, short, old)):
        yield from (f"text_encoder.{name}", f"text_encoders.clip_l.transformer.{name}", f"base_model.model.{name}")


def _flat(path: str) -> str:
    return path.replace(".", "_")
