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
    from nodeflow.diffusion import checkpoints

    with blaming("checkpoint"):
        dtype = cast("Literal['auto', 'fp32', 'bf16', 'fp16']", run.dtype)
        return Loaded(*checkpoints.load_checkpoint(checkpoint, device=run.device, dtype=dtype))
