"""What shapes cannot tell: optional JSON in the metadata of a file; SD1's conventions are the default.

The metadata key is `nodeflow.config`, and everything in it is optional:

    {"unet": {"num_heads": 8, "norm_groups": 32},
     "vae": {"norm_groups": 32},
     "text": {"heads": 12, "activation": "quick_gelu"},
     "latent": {"scale": 0.18215, "name": "sd1", "preview": "family"},
     "prediction": "eps"}

Two tensors are marks that other programs read and write too: `v_pred`, the output is v, and `ztsnr`, the highest
noise level is noise alone.

`activation` may be "gelu" too, `prediction` "v", "x0" or "flow". `preview` "anchored" says that the first three raw
channels of a latent are twice the pooled colour in -1..1. Other sections are left to whoever wrote them.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, cast

from nodeflow.diffusion.checkpoints.read import Header
from nodeflow.diffusion.latent_formats import LatentFormat, anchored_preview
from nodeflow.diffusion.types import Prediction

METADATA_KEY = "nodeflow.config"
V_MARK = "v_pred"
ZERO_TERMINAL_MARK = "ztsnr"
_LARGEST = 1e6

_TYPES: dict[str, dict[str, type]] = {
    "unet": {"num_heads": int, "norm_groups": int},
    "vae": {"norm_groups": int},
    "text": {"heads": int, "activation": str},
    "latent": {"scale": float, "name": str, "preview": str},
}


@dataclass(frozen=True, slots=True)
class FileConfig:
    """The settings of one file; None means "by the family's convention".

    Attributes:
        unet_heads: Attention heads at every width of the UNet.
        unet_norm_groups: Groups of every group norm in the UNet.
        vae_norm_groups: The same in the autoencoder.
        text_heads: Attention heads of the text encoder.
        text_activation: "quick_gelu" or "gelu".
        latent_scale: Factor from raw latents to the network's space.
        latent_name: How the latent space is called.
        anchored: The first three raw latent channels are twice the pooled colour, so a preview needs no table.
        prediction: What the network's output means.
        zero_terminal: The highest noise level is noise alone.
    """

    unet_heads: int | None = None
    unet_norm_groups: int = 32
    vae_norm_groups: int = 32
    text_heads: int | None = None
    text_activation: str = "quick_gelu"
    latent_scale: float | None = None
    latent_name: str | None = None
    anchored: bool = False
    prediction: Prediction | None = None
    zero_terminal: bool = False

    def latent_format(self, base: LatentFormat, channels: int, factor: int) -> LatentFormat:
        """The latent space of the file, where `base` is its family's."""
        scale = base.scale if self.latent_scale is None else self.latent_scale
        preview = base.preview if channels == base.channels else ()
        bias = base.preview_bias
        if self.anchored:
            preview, bias = anchored_preview(channels, scale), (0.0, 0.0, 0.0)
        found = LatentFormat(base.name, channels, scale, base.shift, factor, preview, bias)
        if found == base and self.latent_name is None:
            return base
        return replace(found, name=self.latent_name or f"{base.name}-like, scale {scale:g}")


def file_config(header: Header) -> FileConfig:
    """Reads the settings of a file, sections and all; unknown sections are for others.

    Raises:
        CheckpointError: It is no JSON, or a setting is unknown, of another type or out of range.
    """
    marked = Prediction.V if V_MARK in header.tensors else None
    zero_terminal = ZERO_TERMINAL_MARK in header.tensors
    text = header.metadata.get(METADATA_KEY)
    if text is None:
        return FileConfig(prediction=marked, zero_terminal=zero_terminal)
    try:
        table = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise header.error(f"metadata {METADATA_KEY} is no JSON: {error}") from error
    if not isinstance(table, dict):
        raise header.error(f"metadata {METADATA_KEY} is no table")
    sections = {name: _section(header, name, table.get(name, {})) for name in _TYPES}
    unet, vae, text_part, latent = (sections[name] for name in ("unet", "vae", "text", "latent"))
    return FileConfig(
        unet_heads=unet.get("num_heads"),
        unet_norm_groups=unet.get("norm_groups", 32),
        vae_norm_groups=vae.get("norm_groups", 32),
        text_heads=text_part.get("heads"),
        text_activation=_one_of(header, text_part.get("activation", "quick_gelu"), ("quick_gelu", "gelu")),
        latent_scale=latent.get("scale"),
        latent_name=latent.get("name"),
        anchored=_one_of(header, latent.get("preview", "family"), ("family", "anchored")) == "anchored",
        prediction=_prediction(header, table.get("prediction")) or marked,
        zero_terminal=zero_terminal,
    )


def _section(header: Header, name: str, section: Any) -> Mapping[str, Any]:
    if not isinstance(section, dict):
        raise header.error(f"metadata {METADATA_KEY}: {name} is no table")
    found: dict[str, Any] = {}
    for key, value in cast("dict[str, object]", section).items():
        kind = _TYPES[name].get(key)
        if kind is None:
            raise header.error(f"metadata {METADATA_KEY}: {name}.{key} is unknown; known are {', '.join(_TYPES[name])}")
        if not _is(kind, value):
            raise header.error(f"metadata {METADATA_KEY}: {name}.{key} is {value!r}; a {kind.__name__} is expected")
        found[key] = kind(value)
    return found


def _is(kind: type, value: object) -> bool:
    if kind is str:
        return isinstance(value, str)
    numbers = (int, float) if kind is float else (int,)
    return isinstance(value, numbers) and not isinstance(value, bool) and 0 < value < _LARGEST


def _one_of(header: Header, value: str, known: tuple[str, ...]) -> str:
    if value not in known:
        raise header.error(f"metadata {METADATA_KEY}: {value!r} is unknown; expected {' or '.join(known)}")
    return value


def _prediction(header: Header, value: Any) -> Prediction | None:
    if value is None:
        return None
    return Prediction(_one_of(header, str(value), tuple(Prediction)))
