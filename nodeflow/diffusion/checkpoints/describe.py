"""What can be told of a model file from its header alone; torch is not needed for it."""

import json
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from nodeflow.diffusion.checkpoints.config import V_MARK, file_config
from nodeflow.diffusion.checkpoints.families import Family, family_of
from nodeflow.diffusion.checkpoints.folders import INDEX, folder_sources
from nodeflow.diffusion.checkpoints.read import Header, read_header
from nodeflow.diffusion.errors import CheckpointError

_PRECISIONS = {
    "F64": "fp64",
    "F32": "fp32",
    "F16": "fp16",
    "BF16": "bf16",
    "F8_E4M3": "fp8",
    "F8_E5M2": "fp8",
    "I8": "int8",
    "U8": "int8",
}
_SMALL_SHARE = 0.01
_TRIGGERS = 5
_LONGEST = 200
_SHOWN = (
    "modelspec.title",
    "modelspec.architecture",
    "modelspec.author",
    "modelspec.description",
    "modelspec.license",
    "modelspec.resolution",
    "ss_base_model_version",
    "ss_output_name",
    "ss_network_dim",
    "ss_network_alpha",
)
"""Entries of the metadata that are worth showing."""
_PHRASES = ("modelspec.trigger_phrase", "trigger_phrase", "ss_trigger_words", "trained_words")
_SPELLED = {"epsilon": "eps", "v": "v", "v_prediction": "v"}
_FLOW = ("sd3", "flux", "flux-dev", "flux-fill", "flux-control")


@dataclass(frozen=True, slots=True)
class Description:
    """A model file.

    Attributes:
        family: Short, such as "lora"; empty when it is of none.
        title: What it is, such as "a LoRA for Stable Diffusion 1".
        base: The family that it is made for, such as "sd1"; None for whole models and where it cannot be told.
        precision: Such as "fp16", or several with the larger part first.
        parameters: Numbers in it.
        tensors: How many tensors they are in.
        nbytes: What they take.
        prediction: What a denoising network's output means, such as "eps"; "eps or v" where only weights could tell.
        triggers: Words that the file reacts to, most frequent first, as far as its maker wrote them in.
        metadata: What else its maker wrote in and is worth showing.
        fault: Why it cannot be used, when it cannot be read at all.
    """

    family: str = ""
    title: str = ""
    base: str | None = None
    precision: str = ""
    parameters: int = 0
    tensors: int = 0
    nbytes: int = 0
    prediction: str | None = None
    triggers: tuple[str, ...] = ()
    metadata: Mapping[str, str] = field(default_factory=dict[str, str])
    fault: str = ""


def describe(path: Path) -> Description:
    """Describes a safetensors file, or the folder that a `model_index.json` lists; what is wrong is part of it."""
    try:
        header = folder_sources(path.parent).header if path.name == INDEX else read_header(path)
    except CheckpointError as error:
        return Description(fault=str(error).removeprefix(f"{path.name}: "))
    except OSError as error:
        return Description(fault=f"cannot be read: {error.strerror or error}")
    try:
        family = family_of(header)
    except CheckpointError:
        family = Family("", "an unknown kind of file", lambda _: True)
    return Description(
        family=family.name,
        title=family.described(header),
        base=family.base(header) if family.base is not None else None,
        precision=_precision(header),
        parameters=sum(info.numel for info in header.tensors.values()),
        tensors=len(header.tensors),
        nbytes=sum(info.nbytes for info in header.tensors.values()),
        prediction=_prediction(header, family),
        triggers=_triggers(header.metadata),
        metadata={name: header.metadata[name][:_LONGEST] for name in _SHOWN if header.metadata.get(name)},
    )


def _precision(header: Header) -> str:
    counted: Counter[str] = Counter()
    for info in header.tensors.values():
        counted[_PRECISIONS.get(info.dtype, info.dtype.lower())] += info.numel
    total = counted.total()
    return ", ".join(name for name, count in counted.most_common() if count > _SMALL_SHARE * total or count == total)


def _prediction(header: Header, family: Family) -> str | None:
    """What the file says; else what its family's networks do; None for what is no denoising network."""
    names = header.tensors
    if "edm_vpred.sigma_max" in names:
        return "v (EDM)"
    if "edm_mean" in names:
        return "EDM"
    if family.name in _FLOW:
        return "flow"
    if not family.name.startswith(("sd", "unet", "diffusers-unet", "upscaler")):
        return None
    try:
        given = file_config(header).prediction
    except CheckpointError:
        given = None
    if given is not None or V_MARK in names:
        return str(given)
    if spelled := _SPELLED.get(header.metadata.get("modelspec.prediction_type", "")):
        return spelled
    return "eps or v" if family.name == "sd2" else "eps"


def _triggers(metadata: Mapping[str, str]) -> tuple[str, ...]:
    """A phrase if there is one, else the tags that most training pictures had."""
    for name in _PHRASES:
        if phrase := metadata.get(name, "").strip():
            return (phrase[:_LONGEST],)
    counted: Counter[str] = Counter()
    try:
        folders: object = json.loads(metadata.get("ss_tag_frequency", "{}"))
    except (ValueError, RecursionError):
        return ()
    for tags in _table(folders).values():
        for tag, count in _table(tags).items():
            if isinstance(count, int):
                counted[re.sub(r"\s+", " ", tag).strip()[:_LONGEST]] += count
    return tuple(tag for tag, _ in counted.most_common(_TRIGGERS))


def _table(value: object) -> Mapping[str, object]:
    return cast("dict[str, object]", value) if isinstance(value, dict) else {}
