"""Loading a checkpoint: networks built without memory, then given the tensors of the file."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import torch
from torch import nn

from nodeflow.diffusion.checkpoints.config import FileConfig, file_config
from nodeflow.diffusion.checkpoints.families import Build, Family, build_of
from nodeflow.diffusion.checkpoints.infer import Shapes, text_config, unet_config, vae_config
from nodeflow.diffusion.checkpoints.keymaps import KeyMap
from nodeflow.diffusion.checkpoints.origins import file_weights
from nodeflow.diffusion.checkpoints.read import Header, read_header, read_tensors
from nodeflow.diffusion.errors import CheckpointError
from nodeflow.diffusion.latent_formats import LatentFormat
from nodeflow.diffusion.memory import DtypeChoice, usable_device, usable_dtypes
from nodeflow.diffusion.models.clip import text_model
from nodeflow.diffusion.models.unet import UNet
from nodeflow.diffusion.models.vae import AutoencoderKL, VAEConfig
from nodeflow.diffusion.tokens import Tokenizer
from nodeflow.diffusion.types import Clip, Model, Vae

_HALF = {"fp16": torch.float16, "bf16": torch.bfloat16}
_SHOWN = 3


class Checkpoint(NamedTuple):
    """The three networks of a checkpoint."""

    model: Model
    clip: Clip
    vae: Vae


@dataclass(frozen=True, slots=True)
class Part:
    """A network that has no weights yet.

    Attributes:
        network: On the meta device.
        sources: Where each of its weights is in the file, name by name.
    """

    network: nn.Module
    sources: Mapping[str, str]


def load_checkpoint(
    path: Path | str, *, device: str = "cpu", dtype: DtypeChoice = "auto", families: Iterable[Family] | None = None
) -> Checkpoint:
    """Loads model, text encoder and autoencoder from one safetensors file.

    Everything that the header can tell is checked before a weight is touched. On a CPU, weights whose dtype fits are
    used where they lie in the memory-mapped file; the others are converted one by one.

    Args:
        path: A `.safetensors` file in Stable Diffusion's own layout.
        device: Where the networks will run, such as "cpu" or "cuda:0".
        dtype: "auto" or a precision; see `memory.usable_dtypes` for what results.
        families: The table of families; `FAMILIES` by default.

    Raises:
        CheckpointError: The file is damaged, of an unknown or not yet runnable family, or of a refused kind.
        ValueRuleError: The device or the dtype cannot be used here.
        OSError: The file cannot be read; FileNotFoundError when it is not there.
    """
    header = read_header(path)
    family, build = build_of(header, families)
    given = file_config(header)
    target = usable_device(device)
    unet, vae, text = parts_of(header, build, given)
    parameters = sum(weight.numel() for part in (unet, vae, text) for weight in part.network.parameters())
    precisions = usable_dtypes(dtype, target, parameters, _HALF[build.half])
    _fill(header, unet, target, precisions.unet)
    _fill(header, text, target, precisions.text)
    _fill(header, vae, target, precisions.vae)
    return _assembled(header, (unet, text, vae), family, build, given)


def parts_of(header: Header, build: Build, given: FileConfig) -> tuple[Part, Part, Part]:
    """Builds UNet, autoencoder and text encoder without memory, and compares them with the header.

    Raises:
        CheckpointError: A part is not in the file, or weights are missing, unexpected or of the wrong shape.
    """
    return _unet(header, build, given), _vae(header, build, given), _text(header, build, given)


def _assembled(
    header: Header, parts: tuple[Part, Part, Part], family: Family, build: Build, given: FileConfig
) -> Checkpoint:
    unet, text, vae = (part.network for part in parts)
    assert isinstance(unet, UNet)
    assert isinstance(vae, AutoencoderKL)
    unet_weights, text_weights, vae_weights = (file_weights(header, part.sources, part.network) for part in parts)
    space = _latent_format(vae.config, build, given)
    prediction = given.prediction or build.prediction
    return Checkpoint(
        Model(unet, prediction, space, unet.config.context_dim, family.name, weights=unet_weights),
        Clip(text, Tokenizer.from_package(), weights=text_weights),
        Vae(vae, space, weights=vae_weights),
    )


def _latent_format(config: VAEConfig, build: Build, given: FileConfig) -> LatentFormat:
    channels = config.z_channels if config.embed_dim is None else config.embed_dim
    return given.latent_format(build.latent_format, channels, config.factor)


def _unet(header: Header, build: Build, given: FileConfig) -> Part:
    return _checked(header, build.unet, lambda shapes: UNet(unet_config(shapes, given)))


def _vae(header: Header, build: Build, given: FileConfig) -> Part:
    return _checked(header, build.vae, lambda shapes: AutoencoderKL(vae_config(shapes, given)))


def _text(header: Header, build: Build, given: FileConfig) -> Part:
    return _checked(header, build.text, lambda shapes: text_model(text_config(shapes, given)))


def _part_names(header: Header, keymap: KeyMap) -> dict[str, str]:
    names = keymap.names(header.tensors)
    if not names:
        raise header.error(f"there is no {keymap.part} in the file: no name begins with {keymap.prefix}")
    return names


def _checked(header: Header, keymap: KeyMap, build: Callable[[Shapes], nn.Module]) -> Part:
    """Builds a network on the meta device and compares it with the header, weight by weight."""
    names = _part_names(header, keymap)
    try:
        with torch.device("meta"):
            network = build(Shapes(header, names, keymap.part))
    except CheckpointError:
        raise
    except (ValueError, RuntimeError, ArithmeticError, LookupError, AssertionError) as error:
        raise header.error(f"{keymap.part}: its sizes do not make a network: {error}") from error
    wanted = {name: tuple(weight.shape) for name, weight in network.state_dict().items()}
    sources = {_own_name(name, wanted): source for name, source in names.items()}
    _require(header, keymap, "missing", [name for name in wanted if name not in sources])
    _require(header, keymap, "unexpected", [name for name in sources if name not in wanted])
    found = {name: header.tensors[sources[name]].shape for name in wanted}
    wrong = [
        f"{name} {list(found[name])} instead of {list(wanted[name])}" for name in wanted if found[name] != wanted[name]
    ]
    _require(header, keymap, "of the wrong shape", wrong)
    return Part(network, {name: sources[name] for name in wanted})


def _own_name(name: str, wanted: Mapping[str, object]) -> str:
    # transformers dropped "text_model." from the names of CLIPTextModel in version 5; files keep it.
    return name if name in wanted else name.removeprefix("text_model.")


def _require(header: Header, keymap: KeyMap, fault: str, names: list[str]) -> None:
    if names:
        more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
        raise header.error(f"{keymap.part}: {len(names)} weights are {fault}: {', '.join(names[:_SHOWN])}{more}")


def _fill(header: Header, part: Part, device: torch.device, dtype: torch.dtype) -> None:
    own = {source: name for name, source in part.sources.items()}
    weights = {own[source]: tensor.to(device, dtype) for source, tensor in read_tensors(header, own)}
    part.network.load_state_dict(weights, assign=True)
    part.network.requires_grad_(False).eval()
    for module in part.network.modules():
        _fill_positions(module, device)


def _fill_positions(module: nn.Module, device: torch.device) -> None:
    """Makes the one buffer that files do not carry: the numbers of the text encoder's positions."""
    positions = dict(module.named_buffers(recurse=False)).get("position_ids")
    if positions is not None:
        module.register_buffer("position_ids", torch.arange(positions.shape[-1], device=device)[None], persistent=False)
