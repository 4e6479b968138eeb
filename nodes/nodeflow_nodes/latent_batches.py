"""Nodes for batches of latents, and for latents in files."""

from pathlib import Path
from typing import Annotated, Literal

from nodeflow.api import Field, InputFile, Lane, node
from nodeflow.diffusion.types import Latent
from nodeflow_nodes.refusals import blaming

Count = Annotated[int, Field(ge=1, le=64)]


@node("LatentFromBatch", category="latent/batch", title="Latents out of a batch")
def latent_from_batch(latent: Latent, batch_index: Annotated[int, Field(ge=0, le=63)] = 0, length: Count = 1) -> Latent:
    """Take latents out of a batch; each still gets the noise that it has in the whole batch.

    Args:
        latent: The batch.
        batch_index: The first one, from 0; beyond the end, the last.
        length: How many; what is beyond the end is not there.
    """
    from nodeflow.diffusion.latents import from_batch

    return from_batch(latent, batch_index, length)


@node("RepeatLatentBatch", category="latent/batch", title="Repeat latents")
def repeat_latent_batch(latent: Latent, amount: Count = 1) -> Latent:
    """Make several pictures of every latent; each copy gets its own noise.

    Args:
        latent: What to repeat.
        amount: How often it is there afterwards.
    """
    from nodeflow.diffusion.latents import repeat_latent

    with blaming("amount"):
        return repeat_latent(latent, amount)


@node("LatentBatch", category="latent/batch", title="Join batches of latents")
def latent_batch(latent1: Latent, latent2: Latent) -> Latent:
    """Put two batches into one.

    Args:
        latent1: Comes first.
        latent2: Scaled to the first where its size differs.
    """
    from nodeflow.diffusion.latent_arithmetic import batched

    with blaming("latent2"):
        return batched(latent1, latent2)


@node("LatentBatchSeedBehavior", category="latent/batch", title="Noise of a batch")
def latent_batch_seed_behavior(latent: Latent, seed_behavior: Literal["random", "fixed"] = "fixed") -> Latent:
    """Choose whether the pictures of a batch get noise of their own or all the same.

    Args:
        latent: The batch.
        seed_behavior: fixed gives all the noise of the first; random numbers the batch anew, each with its own.
    """
    from nodeflow.diffusion.latents import new_noise, same_noise

    return same_noise(latent) if seed_behavior == "fixed" else new_noise(latent)


@node("RebatchLatents", category="latent/batch", title="Rebatch latents")
def rebatch_latents(
    latents: Latent | list[Latent], batch_size: Annotated[int, Field(ge=1, le=4096)] = 1
) -> list[Latent]:
    """Put latents together into batches of one length; each keeps the noise it has where it comes from.

    Args:
        latents: A batch, or a list of them of any length; neighbours of one size share batches.
        batch_size: Latents in each; the last of a size may have fewer. At 1, what follows runs for each latent alone.
    """
    from nodeflow.diffusion.latent_arithmetic import rebatched

    with blaming("latents"):
        return rebatched(latents if isinstance(latents, list) else [latents], batch_size)


@node("LoadLatent", category="latent", title="Load latent", lane=Lane.CPU)
def load_latent(latent: Annotated[Path, InputFile()]) -> Latent:
    """Read a latent that SaveLatent, here or in ComfyUI, has written.

    Args:
        latent: A `.latent` file in the input folder or beside the document.
    """
    from nodeflow.diffusion.latent_files import read_latent

    with blaming("latent"):
        return read_latent(latent)
