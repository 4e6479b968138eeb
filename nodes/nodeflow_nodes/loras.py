"""Nodes that lay LoRA files over a model."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple, cast

from nodeflow.api import Blocked, Field, ModelFile, Row, Run, node, quiet
from nodeflow.diffusion.types import Clip, Model
from nodeflow_nodes.refusals import blaming

if TYPE_CHECKING:
    from nodeflow.diffusion.adapters.lora import Adapted

LoraPath = Annotated[Path, ModelFile("loras")]
Strength = Annotated[float, Field(ge=-100, le=100)]


class WithLora(NamedTuple):
    """What a LoRA changes.

    Attributes:
        model: The changed denoising network; the one that came in stays as it is.
        clip: The changed text encoder.
    """

    model: Model
    clip: Clip


class LoraRow(Row):
    """A file of a stack.

    Attributes:
        file: In one of the folders for LoRAs.
        strength: How much of it is added; below 0 it is taken away, at 0 it is left out.
        strength_clip: The same for the text encoder, where it is to get another share than the denoising network.
    """

    file: LoraPath
    strength: Strength = 1.0
    strength_clip: Strength | None = None


@node("LoraLoader", category="loaders", title="Load LoRA")
def lora_loader(
    model: Model,
    clip: Clip,
    lora: LoraPath,
    strength_model: Strength = 1.0,
    strength_clip: Strength = 1.0,
    *,
    run: Run = quiet,
) -> WithLora:
    """Change a model and its text encoder by a small file that was trained for them.

    LoRA, LoHa, LoKr and DoRA are read, in the names of kohya's trainer, LyCORIS, diffusers and PEFT. With both
    strengths 0 nothing is read.

    Args:
        model: The denoising network; it stays as it is; what the file does not change is shared with it.
        clip: The text encoder that came with the model.
        lora: A safetensors file in one of the folders for LoRAs.
        strength_model: How much of it the denoising network gets; below 0 it is taken away.
        strength_clip: How much of it the text encoder gets.
    """
    with blaming("lora"):
        found = _adapted(model, clip, lora, strength_model, strength_clip, run)
    return WithLora(found.model, found.clip or clip)


@node("LoraLoaderModelOnly", category="loaders", title="Load LoRA (model only)")
def lora_loader_model_only(model: Model, lora: LoraPath, strength_model: Strength = 1.0, *, run: Run = quiet) -> Model:
    """Change a model by a small file that was trained for it, and leave the text encoder alone.

    Args:
        model: The denoising network; it stays as it is; what the file does not change is shared with it.
        lora: A safetensors file in one of the folders for LoRAs; what it has for a text encoder is passed over.
        strength_model: How much of it is added; below 0 it is taken away.
    """
    with blaming("lora"):
        return _adapted(model, None, lora, strength_model, 0.0, run).model


@node("LoraStack", category="loaders", title="Stack of LoRAs")
def lora_stack(model: Model, rows: Sequence[LoraRow] = (), clip: Clip | None = None, *, run: Run = quiet) -> WithLora:
    """Change a model, and its text encoder if it is linked, by several LoRA files one after the other.

    All are added to the weights of the checkpoint before these are rounded, so nothing is lost on the way.

    Args:
        model: The denoising network.
        rows: The files, each with its strength.
        clip: The text encoder that came with the model; without it, what the files have for it is passed over.
    """
    for number, row in enumerate(rows):
        strength_clip = row.strength if row.strength_clip is None else row.strength_clip
        with blaming(f"rows[{number}].file"):
            found = _adapted(model, clip, row.file, row.strength, strength_clip, run)
        model, clip = found.model, found.clip
    return WithLora(model, clip or cast(Clip, Blocked("no text encoder is linked to the stack")))


def _adapted(
    model: Model, clip: Clip | None, path: Path, strength_model: float, strength_clip: float, run: Run
) -> "Adapted":
    from nodeflow.diffusion.adapters.lora import Adapted, adapt
    from nodeflow.diffusion.adapters.lorafile import describe, read_lora

    if not strength_model and (clip is None or not strength_clip):
        return Adapted(model, clip, ())
    file = read_lora(path)
    found = adapt(file, model, clip, strength_model=strength_model, strength_clip=strength_clip)
    if found.unused:
        total = len(file.layers) + len(file.strangers)
        run.warn(f"{path.name}: {len(found.unused)} of {total} names mean nothing here: {describe(found.unused)}")
    return found
