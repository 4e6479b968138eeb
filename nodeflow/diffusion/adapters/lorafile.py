"""What a LoRA file holds: for each layer that it names, the parts of a change, whatever trainer has written them."""

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, cast

from nodeflow.diffusion.adapters.formulas import DORA_SCALE, KINDS, MAGNITUDE, Change, Kind
from nodeflow.diffusion.adapters.targets import is_for_text
from nodeflow.diffusion.checkpoints.families import FAMILIES
from nodeflow.diffusion.checkpoints.read import Header, read_header, read_tensors
from nodeflow.diffusion.errors import CheckpointError

_ALPHA = "alpha"
_BIAS = "bias"
_SIDES = ("up", "down")
_ROLES: Mapping[str, str] = {
    ".alpha": _ALPHA,
    ".diff_b": _BIAS,
    ".b_norm": _BIAS,
    ".diff": "difference",
    ".w_norm": "difference",
    ".lora_mid.weight": "mid",
    **{
        f"{form}{side}.weight": side
        for form in (".lora_", ".lora.", ".lora_linear_layer.", "_lora.")
        for side in _SIDES
    },
    **{
        f".lora_{letter}{name}.weight": side
        for name in ("", ".default")
        for letter, side in zip("BA", _SIDES, strict=True)
    },
    **{f".hada_w{n}_{side}": f"h{n}_{side}" for n in "12" for side in "ab"},
    **{f".hada_t{n}": f"h{n}_t" for n in "12"},
    **{f".lokr_w{n}_{side}": f"k{n}_{side}" for n in "12" for side in "ab"},
    **{f".lokr_w{n}": f"k{n}" for n in "12"},
    ".lokr_t2": "k2_t",
    ".dora_scale": DORA_SCALE,
    ".lora_magnitude_vector": MAGNITUDE,
    ".lora_magnitude_vector.default.weight": MAGNITUDE,
}
"""How names in a file end: kohya's and LyCORIS's, those of diffusers old and new, PEFT's."""
_ENDING = re.compile("|".join(re.escape(ending) for ending in sorted(_ROLES, key=len, reverse=True)) + "$")
_PEFT = "lora_adapter_metadata"
"""Where diffusers writes how PEFT was set up, in the metadata of a file."""


class Step(NamedTuple):
    """One change of one weight.

    Attributes:
        ending: "weight" or "bias".
        keys: Of the parts in the file, in the order in which the change takes them.
    """

    ending: str
    change: Change
    keys: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Layer:
    """What a file has for one layer.

    Attributes:
        kind: How the change of its weight is written down; None where only its bias changes.
        parts: Role to name in the file.
        scale: Alpha over rank.
        bias: Name in the file of what is added to its bias.
    """

    kind: Kind | None
    parts: Mapping[str, str]
    scale: float = 1.0
    bias: str | None = None

    def steps(self, strength: float) -> Iterator[Step]:
        """What is to be done at a strength."""
        if self.kind is not None:
            yield Step("weight", Change(self.kind, tuple(self.parts), self.scale, strength), tuple(self.parts.values()))
        if self.bias is not None:
            yield Step("bias", Change(KINDS[-1], ("difference",), 1.0, strength), (self.bias,))


@dataclass(frozen=True, slots=True)
class LoraFile:
    """A file that changes a network.

    Attributes:
        layers: By their names in the file; see `targets` for what they may mean.
        strangers: Names that say nothing about a layer.
    """

    header: Header
    layers: Mapping[str, Layer]
    strangers: tuple[str, ...] = ()

    def error(self, reason: str) -> CheckpointError:
        """An error about this file."""
        return self.header.error(reason)


def read_lora(path: Path | str) -> LoraFile:
    """Reads which layers a file changes, and how; the numbers themselves are read when it is used.

    Known are LoRA, LoHa, LoKr, DoRA and plain differences, also for convolutions.

    Raises:
        CheckpointError: The file is damaged, of a refused kind, or no LoRA.
        OSError: It cannot be read.
    """
    header = read_header(path)
    found: dict[str, dict[str, str]] = {}
    strangers: list[str] = []
    for key in header.tensors:
        match = _ENDING.search(key)
        if match is None:
            strangers.append(key)
        else:
            found.setdefault(key[: match.start()], {})[_ROLES[match[0]]] = key
    if not found:
        known = next((family.described(header) for family in FAMILIES if family.mark(header)), None)
        what = f"it is {known}" if known else f"nothing in it is a change of a layer; its first name is {strangers[0]}"
        raise header.error(f"this is no LoRA: {what}")
    alphas = _alphas(header, found)
    layers = {name: _layer(header, name, keys, alphas.get(name)) for name, keys in found.items()}
    return LoraFile(header, layers, tuple(strangers))


def _layer(header: Header, name: str, keys: Mapping[str, str], alpha: float | None) -> Layer:
    parts = {role: key for role, key in keys.items() if role not in (_ALPHA, _BIAS)}
    kind = next((kind for kind in KINDS if kind.is_meant(parts)), None)
    if (kind is None and (parts or _BIAS not in keys)) or (kind is not None and not kind.is_complete(parts)):
        raise header.error(f"damaged: of {name} there is only {', '.join(sorted(keys.values()))}")
    for key in keys.values():
        _check_numbers(header, key)
    rank = next((header.tensors[parts[role]].shape[:1] for role in (kind.ranks if kind else ()) if role in parts), ())
    scale = 1.0 if alpha is None or not rank or not rank[0] else alpha / rank[0]
    return Layer(kind, parts, scale, keys.get(_BIAS))


def _check_numbers(header: Header, key: str) -> None:
    """Refuses what says nothing: no numbers at all, or whole numbers, which stand for others that the file lacks."""
    info = header.tensors[key]
    if not info.dtype.startswith(("F", "BF")) and not key.endswith(f".{_ALPHA}"):
        raise header.error(
            f"{key} holds {info.dtype.lower()}, and a change of weights is made of floating-point numbers; "
            "take the file as it was before it was quantized"
        )
    if info.numel == 0:
        raise header.error(f"damaged: rank 0: {key} has the shape {list(info.shape)}; download the file again")


def _alphas(header: Header, found: Mapping[str, Mapping[str, str]]) -> Mapping[str, float]:
    """Alpha by layer: as numbers in the file, else as diffusers' metadata have it; without, the scale is 1."""
    keys = {keys[_ALPHA]: name for name, keys in found.items() if _ALPHA in keys}
    for key in keys:
        if header.tensors[key].numel != 1:
            raise header.error(
                f"damaged: {key} should be one number, and has the shape {list(header.tensors[key].shape)}"
            )
    given = {keys[key]: float(tensor) for key, tensor in read_tensors(header, keys)}
    broken = next((name for name, alpha in given.items() if not math.isfinite(alpha)), None)
    if broken is not None:
        raise header.error(f"damaged: the alpha of {broken} is {given[broken]}")
    told = _peft_metadata(header)
    return {name: alpha for name in found if (alpha := _peft_alpha(told, name)) is not None} | given


def _peft_metadata(header: Header) -> Mapping[str, object]:
    try:
        told: object = json.loads(header.metadata.get(_PEFT, "{}"))
    except (ValueError, RecursionError):
        return {}
    return cast("dict[str, object]", told) if isinstance(told, dict) else {}


def _peft_alpha(told: Mapping[str, object], name: str) -> float | None:
    """The alpha of one layer in PEFT's description of an adapter."""
    part = "text_encoder" if is_for_text(name) else "unet"
    patterns = told.get(f"{part}.alpha_pattern")
    table = cast("dict[str, object]", patterns) if isinstance(patterns, dict) else {}
    fitting = [alpha for pattern, alpha in table.items() if name == f"{part}.{pattern}" or name.endswith(f".{pattern}")]
    alpha = (fitting or [told.get(f"{part}.lora_alpha")])[0]
    return float(alpha) if isinstance(alpha, int | float) else None


def describe(names: Sequence[str], shown: int = 3) -> str:
    """The first of some names, and how many more there are."""
    more = f" and {len(names) - shown} more" if len(names) > shown else ""
    return ", ".join(names[:shown]) + more
