"""Writing networks as safetensors files in Stable Diffusion's own layout, tensor by tensor."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch

from nodeflow.diffusion.checkpoints.config import METADATA_KEY, V_MARK, ZERO_TERMINAL_MARK
from nodeflow.diffusion.checkpoints.families import FAMILIES
from nodeflow.diffusion.checkpoints.keymaps import CLIP_L, UNET, VAE
from nodeflow.diffusion.checkpoints.origins import DTYPES
from nodeflow.diffusion.checkpoints.settings import settings_of
from nodeflow.diffusion.reweighting import weights_of
from nodeflow.diffusion.types import Clip, Model, Prediction, Vae
from nodeflow.diffusion.weights import Files, HeldWeight, Weight

_NAMES = {dtype: name for name, dtype in DTYPES.items()}
_PREDICTIONS = {Prediction.EPS: "epsilon", Prediction.V: "v"}


@dataclass(frozen=True, slots=True)
class Writing:
    """A file to be written.

    Attributes:
        weights: By their name in the file.
        metadata: Texts in its header.
    """

    weights: Mapping[str, Weight]
    metadata: Mapping[str, str]

    @property
    def total(self) -> int:
        """How many chunks there will be."""
        return len(self.weights) + 1

    def chunks(self) -> Iterator[bytes]:
        """The file piece by piece: the header, then one tensor after the other; only one is in memory at a time.

        Raises:
            CheckpointError: A file that weights come from has changed.
            OSError: Such a file cannot be read.
        """
        # safetensors' own order: the widest numbers first, so that all are aligned.
        order = sorted(self.weights.items(), key=lambda item: (-item[1].dtype.itemsize, item[0]))
        yield self._header(order)
        with Files() as files, torch.no_grad():
            for _, weight in order:
                yield weight.stored(files).cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()

    def _header(self, order: list[tuple[str, Weight]]) -> bytes:
        table: dict[str, object] = {"__metadata__": dict(sorted(self.metadata.items()))}
        begin = 0
        for name, weight in order:
            end = begin + weight.dtype.itemsize * torch.Size(weight.shape).numel()
            table[name] = {"dtype": _NAMES[weight.dtype], "shape": list(weight.shape), "data_offsets": [begin, end]}
            begin = end
        text = json.dumps(table, separators=(",", ":"), ensure_ascii=False).encode()
        text += b" " * (-len(text) % 8)
        return len(text).to_bytes(8, "little") + text


def checkpoint_file(
    model: Model, clip: Clip, vae: Vae, title: str = "", text: Mapping[str, str] | None = None
) -> Writing:
    """A whole checkpoint: weights that nothing has changed are those of the file they came from, to the byte.

    Args:
        model: Its patches and its guidance are no weights and are left out.
        clip: The text encoder.
        vae: The autoencoder.
        title: What the model is called in the file.
        text: Further metadata.

    Raises:
        ValueRuleError: A network was released.
    """
    weights = {
        **_prefixed(UNET.prefix, model),
        **_prefixed(VAE.prefix, vae),
        **_prefixed(CLIP_L.prefix + CLIP_L.inserted, clip),
        **_marks(model),
    }
    return Writing(weights, _metadata(title, text, model, clip, vae))


def model_file(model: Model, title: str = "", text: Mapping[str, str] | None = None) -> Writing:
    """The denoising network alone, under the names that it has in a checkpoint; see `checkpoint_file`."""
    return Writing({**_prefixed(UNET.prefix, model), **_marks(model)}, _metadata(title, text, model))


def clip_file(clip: Clip, title: str = "", text: Mapping[str, str] | None = None) -> Writing:
    """The text encoder alone, under the names of transformers; see `checkpoint_file`."""
    return Writing(_prefixed(CLIP_L.inserted, clip), _metadata(title, text, clip))


def vae_file(vae: Vae, title: str = "", text: Mapping[str, str] | None = None) -> Writing:
    """The autoencoder alone, its names without a prefix; see `checkpoint_file`."""
    return Writing(_prefixed("", vae), _metadata(title, text, vae))


def _prefixed(prefix: str, value: Model | Clip | Vae) -> dict[str, Weight]:
    # transformers dropped "text_model." from its names in version 5; files keep it.
    return {prefix + name.removeprefix(CLIP_L.inserted): weight for name, weight in weights_of(value).items()}


def _marks(model: Model) -> dict[str, Weight]:
    wanted = {V_MARK: model.prediction is Prediction.V, ZERO_TERMINAL_MARK: model.zero_terminal}
    return {name: HeldWeight(torch.empty(0)) for name, needed in wanted.items() if needed}


def _metadata(title: str, text: Mapping[str, str] | None, *values: Model | Clip | Vae) -> dict[str, str]:
    metadata = {"format": "pt", **(text or {})}
    if settings := settings_of(*values):
        metadata[METADATA_KEY] = json.dumps(settings, sort_keys=True)
    model = next((value for value in values if isinstance(value, Model)), None)
    if model is not None:
        build = next((family.build for family in FAMILIES if family.name == model.family), None)
        metadata["modelspec.sai_model_spec"] = "1.0.0"
        metadata["modelspec.architecture"] = build.architecture if build is not None else model.family
        metadata["modelspec.title"] = title or model.family
        if spelled := _PREDICTIONS.get(model.prediction):
            metadata["modelspec.prediction_type"] = spelled
    return metadata
