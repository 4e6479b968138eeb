"""Nodes that read models."""

from pathlib import Path
from typing import Annotated, Literal, NamedTuple, cast

from nodeflow.api import ModelFile, Run, node, quiet
from nodeflow.diffusion.types import Clip, Model, Vae
from nodeflow_nodes.refusals import blaming


class Loaded(NamedTuple):
    """The three networks of a checkpoint.

    Attributes:
        model: The denoising network.
        clip: The text encoder.
        vae: The autoencoder between pictures and latents.
    """

    model: Model
    clip: Clip
    vae: Vae


@node("LoadCheckpoint", category="loaders", title="Load checkpoint")
def load_checkpoint(checkpoint: Annotated[Path, ModelFile("checkpoints")], *, run: Run = quiet) -> Loaded:
    """Read a model file: the denoising network, its text encoder and its autoencoder.

    Args:
        checkpoint: A safetensors file in one of the folders for checkpoints.
    """

    return _loaded("checkpoint", checkpoint, run)


@node("DiffusersLoader", category="loaders", title="Load diffusers folder")
def diffusers_loader(model_path: Annotated[Path, ModelFile("diffusers")], *, run: Run = quiet) -> Loaded:
    """Read a model that diffusers has saved as a folder: the denoising network, its text encoder and its autoencoder.

    Args:
        model_path: The `model_index.json` of a folder in one of the folders for diffusers.
    """
    return _loaded("model_path", model_path, run)


@node("UNETLoader", category="loaders", title="Load diffusion model")
def unet_loader(
    unet: Annotated[Path, ModelFile("diffusion_models")],
    weight_dtype: Literal["default"] = "default",  # noqa: ARG001 - the choice that there is
    *,
    run: Run = quiet,
) -> Model:
    """Read a denoising network by itself.

    Args:
        unet: A safetensors file in one of the folders for diffusion models; in Stable Diffusion's layout or diffusers'.
        weight_dtype: How the weights are kept; `default` follows the run.
    """
    from nodeflow.diffusion.checkpoints.singles import load_model

    with blaming("unet"):
        return load_model(unet, device=run.device, dtype=_dtype(run))


@node("CLIPLoader", category="loaders", title="Load text encoder")
def clip_loader(
    clip: Annotated[Path, ModelFile("text_encoders")],
    type: Literal["stable_diffusion"] = "stable_diffusion",  # noqa: ARG001 - the choice that there is
    device: Literal["default", "cpu"] = "default",
    *,
    run: Run = quiet,
) -> Clip:
    """Read a text encoder by itself.

    Args:
        clip: A safetensors file in one of the folders for text encoders.
        type: What the text is for; `stable_diffusion` is Stable Diffusion 1.x.
        device: Where the encoder runs; `default` follows the run.
    """
    from nodeflow.diffusion.checkpoints.singles import load_clip

    with blaming("clip"):
        return load_clip(clip, device="cpu" if device == "cpu" else run.device, dtype=_dtype(run))


@node("VAELoader", category="loaders", title="Load autoencoder")
def vae_loader(vae: Annotated[Path, ModelFile("vae")], *, run: Run = quiet) -> Vae:
    """Read an autoencoder by itself.

    Args:
        vae: A safetensors file in one of the folders for autoencoders; in Stable Diffusion's layout or diffusers'.
    """
    from nodeflow.diffusion.checkpoints.singles import load_vae

    with blaming("vae"):
        return load_vae(vae, device=run.device, dtype=_dtype(run))


def _loaded(input: str, path: Path, run: Run) -> Loaded:
    from nodeflow.diffusion import checkpoints

    with blaming(input):
        return Loaded(*checkpoints.load_checkpoint(path, device=run.device, dtype=_dtype(run)))


def _dtype(run: Run) -> Literal["auto", "fp32", "bf16", "fp16"]:
    return cast("Literal['auto', 'fp32', 'bf16', 'fp16']", run.dtype)
