"""Folders as diffusers writes them: a table of contents, and a folder with settings and weights for each part."""

import json
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, cast

from nodeflow.diffusion.checkpoints.config import FileConfig
from nodeflow.diffusion.checkpoints.read import AGAIN, Header, TensorInfo, fault_of_json, read_header
from nodeflow.diffusion.checkpoints.sources import TEXT_ALONE, UNET_ALONE, VAE_ALONE, Alone, Source, Sources
from nodeflow.diffusion.errors import CheckpointError
from nodeflow.diffusion.networks import Prediction

INDEX = "model_index.json"
"""The table of contents, by which such a folder is known."""

_MAX_JSON = 2**20
_NO_INDEX = (
    f"there is no {INDEX}, so it is no model folder of diffusers; download the model again, with all its files, or "
    "load a single file with LoadCheckpoint, or parts with UNETLoader, CLIPLoader and VAELoader"
)
_PIPELINES: Mapping[str, str] = MappingProxyType(
    {
        "StableDiffusionXLPipeline": "Stable Diffusion XL",
        "StableDiffusionXLImg2ImgPipeline": "the Stable Diffusion XL refiner",
        "StableDiffusionXLInpaintPipeline": "a Stable Diffusion XL in-painting model",
        "StableDiffusion3Pipeline": "Stable Diffusion 3",
        "FluxPipeline": "Flux",
        "FluxFillPipeline": "Flux.1 Fill",
    }
)
"""Kinds of folders that are recognised and cannot be loaded."""
_PREDICTIONS = {"epsilon": Prediction.EPS, "v_prediction": Prediction.V, "sample": Prediction.X0}
_PARTS: tuple[tuple[str, Alone], ...] = (("unet", UNET_ALONE), ("vae", VAE_ALONE), ("text_encoder", TEXT_ALONE))
_WEIGHTS = tuple(
    f"{stem}{variant}.safetensors"
    for stem in ("diffusion_pytorch_model", "model")
    for variant in ("", ".fp16", ".bf16", ".non_ema", ".fp32")
)


def folder_sources(folder: Path) -> Sources:
    """The parts of a Stable Diffusion model in a folder; headers and settings are read, weights are not.

    Raises:
        CheckpointError: The folder is of another kind, or a part of it is missing or damaged.
        OSError: A file cannot be read.
    """
    contents = _settings(folder, INDEX)
    kind = str(contents.get("_class_name", ""))
    if title := _PIPELINES.get(kind):
        reason = "which is recognised but not runnable yet; choose a folder of Stable Diffusion 1.x"
        raise CheckpointError(f"{folder.name}: it is {title} ({kind}), {reason}")
    apart: dict[str, Source] = {}
    for name, alone in _PARTS:
        apart[alone.keymap.prefix] = _part(folder, name, alone)
    tensors: dict[str, TensorInfo] = {}
    for prefix, source in apart.items():
        tensors.update({prefix + name: source.header.tensors[place] for name, place in source.names.items()})
    return Sources(Header(folder, tensors, {}), _config(folder), apart)


def _part(folder: Path, name: str, alone: Alone) -> Source:
    place = folder / name
    files = [place / file for file in _WEIGHTS if (place / file).is_file()]
    label = f"{folder.name}/{name}"
    if not files:
        raise CheckpointError(f"{label}: {_missing(place, alone.keymap.part)}")
    try:
        header = read_header(files[0])
    except CheckpointError as error:  # which names the file; many folders have one of that name
        raise CheckpointError(f"{label}/{error}") from error
    source = alone.source(header)
    if source is None:
        raise CheckpointError(f"{label}/{files[0].name}: there is no {alone.keymap.part} in it")
    return source


def _missing(place: Path, part: str) -> str:
    if not place.is_dir():
        return f"the folder with the {part} is missing; download the model again, with all its folders"
    if pickled := sorted(file.name for file in place.glob("*.bin")):
        return f"there is only {pickled[0]}, a pickled file, which is refused; nodeflow convert makes it safe to load"
    if any(place.glob("*.index.json")):
        return f"the {part} is in several files, which is not supported; save it as one"
    return f"the weights of the {part} are missing; expected {_WEIGHTS[0]} or {_WEIGHTS[5]}"


def _config(folder: Path) -> FileConfig:
    """What the settings of the parts say that shapes cannot."""
    unet, vae, text, scheduler = (
        _settings(folder, f"{part}/{file}", required=False)
        for part, file in (
            ("unet", "config.json"),
            ("vae", "config.json"),
            ("text_encoder", "config.json"),
            ("scheduler", "scheduler_config.json"),
        )
    )
    # What diffusers calls the width of a head is their number, in every model of this kind.
    heads = _whole(unet.get("num_attention_heads")) or _whole(unet.get("attention_head_dim", 8))
    scale = vae.get("scaling_factor", 0.18215)
    return FileConfig(
        unet_heads=heads if unet and not unet.get("use_linear_projection") else None,
        unet_norm_groups=_whole(unet.get("norm_num_groups")) or 32,
        vae_norm_groups=_whole(vae.get("norm_num_groups")) or 32,
        text_heads=_whole(text.get("num_attention_heads")),
        text_activation="gelu" if text.get("hidden_act") == "gelu" else "quick_gelu",
        latent_scale=float(scale) if isinstance(scale, int | float) and 0 < scale < 1e6 else None,
        prediction=_PREDICTIONS.get(str(scheduler.get("prediction_type"))),
        zero_terminal=scheduler.get("rescale_betas_zero_snr") is True,
    )


def _whole(value: object) -> int | None:
    return value if type(value) is int and value > 0 else None


def _settings(folder: Path, name: str, *, required: bool = True) -> Mapping[str, Any]:
    place = folder / name
    if not required and not place.is_file():
        return {}
    try:
        with place.open("rb") as file:
            text = file.read(_MAX_JSON + 1)
    except (FileNotFoundError, IsADirectoryError):
        raise CheckpointError(f"{folder.name}: {_NO_INDEX}") from None
    if len(text) > _MAX_JSON:
        raise CheckpointError(f"{folder.name}/{name}: larger than {_MAX_JSON:,} bytes, so no settings; {AGAIN}")
    try:
        loaded: object = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{folder.name}/{name}: not usable as JSON: {fault_of_json(error)}; {AGAIN}") from error
    if not isinstance(loaded, dict):
        raise CheckpointError(f"{folder.name}/{name}: not a table of settings; {AGAIN}")
    return cast("dict[str, Any]", loaded)
