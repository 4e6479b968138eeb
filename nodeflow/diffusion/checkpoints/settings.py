"""What a file has to say of networks besides their weights, so that they are loaded again as they are."""

from typing import Any

from nodeflow.diffusion.checkpoints.families import FAMILIES
from nodeflow.diffusion.latent_formats import SD1, LatentFormat, anchored_preview
from nodeflow.diffusion.models.unet import UNet
from nodeflow.diffusion.models.vae import AutoencoderKL
from nodeflow.diffusion.types import Clip, Model, Prediction, Vae

_HEADS, _HEAD_WIDTH, _GROUPS = 8, 64, 32
Section = dict[str, Any]


def settings_of(*values: Model | Clip | Vae) -> Section:
    """The table for the metadata key of `config.py`; empty for what goes by its family's conventions.

    Args:
        values: The model first.
    """
    found: Section = {}
    for value in reversed(values):  # of the latent space the network has the last word, not the autoencoder
        found.update(_sections(value))
    return {name: section for name, section in found.items() if section}


def _sections(value: Model | Clip | Vae) -> Section:
    if isinstance(value, Clip):
        return {"text": _text(value)}
    if isinstance(value, Vae):
        network = value.network
        groups = network.config.norm_groups if isinstance(network, AutoencoderKL) else _GROUPS
        return {"vae": _unless("norm_groups", groups, _GROUPS), "latent": _latent(value.latent_format, SD1)}
    return {"unet": _unet(value), "latent": _latent(value.latent_format, _space_of(value)), **_prediction(value)}


def _unet(model: Model) -> Section:
    network = model.network
    if not isinstance(network, UNet):
        return {}
    heads = None if network.config.use_linear else _HEADS
    given = network.config.num_heads
    return {
        **(_unless("num_heads", given, heads) if given is not None else {}),
        **_unless("norm_groups", network.config.norm_groups, _GROUPS),
    }


def _text(clip: Clip) -> Section:
    config: Any = clip.network.config
    return {
        **_unless("heads", config.num_attention_heads, max(config.hidden_size // _HEAD_WIDTH, 1)),
        **_unless("activation", config.hidden_act, "quick_gelu"),
    }


def _latent(space: LatentFormat, base: LatentFormat) -> Section:
    if space == base:
        return {}
    anchored = space.preview == anchored_preview(space.channels, space.scale)
    return {
        **_unless("scale", space.scale, base.scale),
        "name": space.name,
        **({"preview": "anchored"} if anchored else {}),
    }


def _space_of(model: Model) -> LatentFormat:
    builds = (family.build for family in FAMILIES if family.name == model.family)
    build = next(builds, None)
    return SD1 if build is None else build.latent_format


def _prediction(model: Model) -> Section:
    """Those that no tensor marks."""
    marked = model.prediction in (Prediction.EPS, Prediction.V)
    return {} if marked else {"prediction": str(model.prediction)}


def _unless(name: str, found: object, usual: object) -> Section:
    return {} if found == usual else {name: found}
