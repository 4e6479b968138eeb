"""Nodes that write models."""

from nodeflow.api import FilePrefix, Kind, Lane, Run, node, quiet
from nodeflow.diffusion.types import Clip, Model, Vae
from nodeflow_nodes.refusals import blaming
from nodeflow_nodes.saving import stays_in_the_output_folder


@node("CheckpointSave", category="loaders", title="Save checkpoint", kind=Kind.EFFECT, lane=Lane.CPU)
def checkpoint_save(
    model: Model,
    clip: Clip,
    vae: Vae,
    filename_prefix: FilePrefix = "checkpoints/nodeflow",
    *,
    run: Run = quiet,
) -> None:
    """Write the three networks of a model into one safetensors file, as Stable Diffusion's own files are laid out.

    Weights that nothing has changed are written as they were read, to the byte; what was merged is computed in float32
    and rounded once, to the precision of the file it came from. The file carries the document, unless switched off.

    Args:
        model: The denoising network; what steers it without changing weights is not written.
        clip: The text encoder.
        vae: The autoencoder.
        filename_prefix: Start of the file name; `a/b` writes into the folder `a`.
    """
    from nodeflow.diffusion.checkpoints.write import checkpoint_file

    with blaming("model"):
        file = checkpoint_file(model, clip, vae, _title(filename_prefix), run.provenance())
        run.save(filename_prefix, "safetensors", run.track(file.chunks(), total=file.total))


@node("ModelSave", category="loaders", title="Save diffusion model", kind=Kind.EFFECT, lane=Lane.CPU)
def model_save(model: Model, filename_prefix: FilePrefix = "diffusion_models/nodeflow", *, run: Run = quiet) -> None:
    """Write a denoising network alone into a safetensors file, for UNETLoader.

    Args:
        model: The denoising network; what steers it without changing weights is not written.
        filename_prefix: Start of the file name; `a/b` writes into the folder `a`.
    """
    from nodeflow.diffusion.checkpoints.write import model_file

    with blaming("model"):
        file = model_file(model, _title(filename_prefix), run.provenance())
        run.save(filename_prefix, "safetensors", run.track(file.chunks(), total=file.total))


@node("CLIPSave", category="loaders", title="Save text encoder", kind=Kind.EFFECT, lane=Lane.CPU)
def clip_save(clip: Clip, filename_prefix: FilePrefix = "clip/nodeflow", *, run: Run = quiet) -> None:
    """Write a text encoder alone into a safetensors file, for CLIPLoader.

    Args:
        clip: The text encoder.
        filename_prefix: Start of the file name; `a/b` writes into the folder `a`.
    """
    from nodeflow.diffusion.checkpoints.write import clip_file

    with blaming("clip"):
        file = clip_file(clip, _title(filename_prefix), run.provenance())
        run.save(filename_prefix, "safetensors", run.track(file.chunks(), total=file.total))


@node("VAESave", category="loaders", title="Save autoencoder", kind=Kind.EFFECT, lane=Lane.CPU)
def vae_save(vae: Vae, filename_prefix: FilePrefix = "vae/nodeflow", *, run: Run = quiet) -> None:
    """Write an autoencoder alone into a safetensors file, for VAELoader.

    Args:
        vae: The autoencoder.
        filename_prefix: Start of the file name; `a/b` writes into the folder `a`.
    """
    from nodeflow.diffusion.checkpoints.write import vae_file

    with blaming("vae"):
        file = vae_file(vae, _title(filename_prefix), run.provenance())
        run.save(filename_prefix, "safetensors", run.track(file.chunks(), total=file.total))


def _title(filename_prefix: str) -> str:
    return filename_prefix.rpartition("/")[2]


for _save in (checkpoint_save, model_save, clip_save, vae_save):
    _save.check(stays_in_the_output_folder)
