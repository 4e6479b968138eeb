"""Loading one network by itself: from a file that holds it alone, in any layout, or from a whole checkpoint."""

from pathlib import Path

import torch

from nodeflow.diffusion.checkpoints.config import file_config
from nodeflow.diffusion.checkpoints.families import Build, Family, family_of
from nodeflow.diffusion.checkpoints.keymaps import CLIP_L, UNET
from nodeflow.diffusion.checkpoints.load import (
    HALF,
    Part,
    clip_of,
    fill,
    model_of,
    text_part,
    unet_part,
    vae_of,
    vae_part,
)
from nodeflow.diffusion.checkpoints.read import Header, read_header
from nodeflow.diffusion.checkpoints.sources import TEXT_ALONE, UNET_ALONE, VAE_ALONE, Alone, Source
from nodeflow.diffusion.latent_formats import SD1
from nodeflow.diffusion.memory import DtypeChoice, Precisions, usable_device, usable_dtypes
from nodeflow.diffusion.types import Clip, Model, Vae


def load_model(path: Path | str, *, device: str = "cpu", dtype: DtypeChoice = "auto") -> Model:
    """Loads the denoising network of Stable Diffusion 1.x: alone in its file, or out of a checkpoint.

    Args:
        path: A safetensors file, in Stable Diffusion's layout or in that of diffusers.
        device: Where it will run.
        dtype: "auto" or a precision.

    Raises:
        CheckpointError: The file is damaged, or holds no network that can be run.
        ValueRuleError: The device or the dtype cannot be used here.
        OSError: The file cannot be read.
    """
    header = read_header(path)
    source = _found(header, UNET_ALONE)
    family, build = _runnable(header, source)
    given = file_config(header)
    part = unet_part(source, given)
    _filled(part, device, dtype, HALF[build.half], "unet")
    return model_of(part, family, build, given)


def load_vae(path: Path | str, *, device: str = "cpu", dtype: DtypeChoice = "auto") -> Vae:
    """Loads an autoencoder: alone in its file, in either layout, or out of a checkpoint; see `load_model`."""
    header = read_header(path)
    given = file_config(header)
    part = vae_part(_found(header, VAE_ALONE), given)
    _filled(part, device, dtype, torch.float16, "vae")
    return vae_of(part, SD1, given)


def load_clip(path: Path | str, *, device: str = "cpu", dtype: DtypeChoice = "auto") -> Clip:
    """Loads the text encoder of Stable Diffusion 1.x: alone in its file, or out of a checkpoint; see `load_model`."""
    header = read_header(path)
    part = text_part(_found(header, TEXT_ALONE), file_config(header))
    _filled(part, device, dtype, torch.float16, "text")
    return clip_of(part)


def _found(header: Header, alone: Alone) -> Source:
    source = alone.source(header)
    if source is None:
        family = family_of(header)
        place = f"; {family.place}" if family.place else ""
        raise header.error(f"there is no {alone.keymap.part} in it: it is {family.described(header)}{place}")
    return source


def _runnable(header: Header, source: Source) -> tuple[Family, Build]:
    """The family of a UNet, as if it came with a text encoder of Stable Diffusion 1."""
    tensors = {UNET.prefix + name: header.tensors[place] for name, place in source.names.items()}
    whole = {CLIP_L.prefix: next(iter(tensors.values()))}
    family = family_of(Header(header.path, {**tensors, **whole}, header.metadata, header.state))
    if family.build is None:
        raise header.error(f"it is the UNet of {family.title}, which is recognised but not runnable yet")
    return family, family.build


def _filled(part: Part, device: str, dtype: DtypeChoice, half: torch.dtype, which: str) -> None:
    target = usable_device(device)
    precisions: Precisions = usable_dtypes(dtype, target, part.parameters, half)
    fill(part, target, getattr(precisions, which))
