"""Loading networks: built without memory, compared with what the header says, then given the tensors of the file."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import torch
from torch import nn

from nodeflow.diffusion.checkpoints.config import FileConfig, file_config
from nodeflow.diffusion.checkpoints.families import Build, Family, build_of
from nodeflow.diffusion.checkpoints.folders import INDEX, folder_sources
from nodeflow.diffusion.checkpoints.infer import Shapes, text_config, unet_config, vae_config
from nodeflow.diffusion.checkpoints.origins import file_weights
from nodeflow.diffusion.checkpoints.read import Header, read_header, read_tensors
from nodeflow.diffusion.checkpoints.sources import Source, Sources
from nodeflow.diffusion.errors import CheckpointError
from nodeflow.diffusion.latent_formats import LatentFormat
from nodeflow.diffusion.memory import PACKED, DtypeChoice, usable_device, usable_dtypes
from nodeflow.diffusion.models.clip import text_model
from nodeflow.diffusion.models.prepared import Embedding, lazily
from nodeflow.diffusion.models.unet import UNet
from nodeflow.diffusion.models.vae import AutoencoderKL, VAEConfig
from nodeflow.diffusion.tokens import Tokenizer
from nodeflow.diffusion.types import Clip, Model, Vae

HALF = {"fp16": torch.float16, "bf16": torch.bfloat16}
_COMMON = (torch.float32, torch.float16, torch.bfloat16)
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
        header: Of the file with its weights.
        sources: Where each of its weights is in the file, name by name.
    """

    network: nn.Module
    header: Header
    sources: Mapping[str, str]

    @property
    def parameters(self) -> int:
        """How many numbers it has."""
        return sum(weight.numel() for weight in self.network.parameters())


def load_checkpoint(
    path: Path | str, *, device: str = "cpu", dtype: DtypeChoice = "auto", families: Iterable[Family] | None = None
) -> Checkpoint:
    """Loads model, text encoder and autoencoder from one safetensors file, or from a folder as diffusers writes it.

    Everything that headers can tell is checked before a weight is touched. On a CPU, weights whose dtype fits are
    used where they lie in the memory-mapped file; the others are converted one by one.

    Args:
        path: A `.safetensors` file in Stable Diffusion's own layout; or a folder with a `model_index.json`, or that
            file itself.
        device: Where the networks will run, such as "cpu" or "cuda:0".
        dtype: "auto" or a precision; see `memory.usable_dtypes` for what results.
        families: The table of families; `FAMILIES` by default.

    Raises:
        CheckpointError: The file is damaged, of an unknown or not yet runnable family, or of a refused kind.
        ValueRuleError: The device or the dtype cannot be used here.
        OSError: The file cannot be read; FileNotFoundError when it is not there.
    """
    sources = _sources_at(Path(path))
    family, build = build_of(sources.header, families)
    target = usable_device(device)
    unet, vae, text = parts_of(sources.header, build, sources.config, sources)
    parameters = sum(part.parameters for part in (unet, vae, text))
    precisions = usable_dtypes(dtype, target, parameters, HALF[build.half])
    fill(unet, target, precisions.unet)
    fill(text, target, precisions.text)
    fill(vae, target, precisions.vae)
    return Checkpoint(
        model_of(unet, family, build, sources.config), clip_of(text), vae_of(vae, build.latent_format, sources.config)
    )


def parts_of(
    header: Header, build: Build, given: FileConfig, sources: Sources | None = None
) -> tuple[Part, Part, Part]:
    """Builds UNet, autoencoder and text encoder without memory, and compares them with the header.

    Raises:
        CheckpointError: A part is not in the file, or weights are missing, unexpected or of the wrong shape.
    """
    found = sources or Sources(header, given)
    return (
        unet_part(found.part(build.unet), given),
        vae_part(found.part(build.vae), given),
        text_part(found.part(build.text), given),
    )


def _sources_at(place: Path) -> Sources:
    if place.name == INDEX or place.is_dir():
        return folder_sources(place.parent if place.name == INDEX else place)
    header = read_header(place)
    return Sources(header, file_config(header))


def unet_part(source: Source, given: FileConfig) -> Part:
    """A UNet without weights; raises CheckpointError."""
    return _checked(source, lambda shapes: UNet(unet_config(shapes, given)))


def vae_part(source: Source, given: FileConfig) -> Part:
    """An autoencoder without weights; raises CheckpointError."""
    return _checked(source, lambda shapes: AutoencoderKL(vae_config(shapes, given)))


def text_part(source: Source, given: FileConfig) -> Part:
    """A text encoder without weights; raises CheckpointError."""
    return _checked(source, lambda shapes: text_model(text_config(shapes, given)))


def model_of(part: Part, family: Family, build: Build, given: FileConfig) -> Model:
    """The value around a UNet that has its weights."""
    unet = part.network
    assert isinstance(unet, UNet)
    # The noise has the channels of what comes out; what goes in may have those of masks and pictures besides.
    space = given.latent_format(build.latent_format, unet.config.out_channels, build.latent_format.factor)
    weights = file_weights(part.header, part.sources, unet)
    return Model(
        unet,
        given.prediction or build.prediction,
        space,
        unet.config.context_dim,
        family.name,
        zero_terminal=given.zero_terminal,
        beside=unet.config.in_channels - unet.config.out_channels,
        weights=weights,
    )


def clip_of(part: Part) -> Clip:
    """The value around a text encoder that has its weights."""
    return Clip(part.network, Tokenizer.from_package(), weights=file_weights(part.header, part.sources, part.network))


def vae_of(part: Part, base: LatentFormat, given: FileConfig) -> Vae:
    """The value around an autoencoder that has its weights."""
    vae = part.network
    assert isinstance(vae, AutoencoderKL)
    space = given.latent_format(base, _latent_channels(vae.config), vae.config.factor)
    return Vae(vae, space, weights=file_weights(part.header, part.sources, vae))


def _latent_channels(config: VAEConfig) -> int:
    return config.z_channels if config.embed_dim is None else config.embed_dim


def _checked(source: Source, build: Callable[[Shapes], nn.Module]) -> Part:
    """Builds a network on the meta device and compares it with the header, weight by weight."""
    header = source.header
    try:
        with torch.device("meta"):
            network = build(Shapes(header, source.names, source.part))
    except CheckpointError:
        raise
    except (ValueError, RuntimeError, ArithmeticError, LookupError, AssertionError) as error:
        raise header.error(f"{source.part}: its sizes do not make a network: {error}") from error
    wanted = {name: tuple(weight.shape) for name, weight in network.state_dict().items()}
    sources = {_own_name(name, wanted): place for name, place in source.names.items()}
    _require(source, "missing", [name for name in wanted if name not in sources])
    _require(source, "unexpected", [name for name in sources if name not in wanted])
    found = {name: header.tensors[sources[name]].shape for name in wanted}
    wrong = [
        f"{name} {list(found[name])} instead of {list(wanted[name])}"
        for name in wanted
        if _pixels(found[name]) != _pixels(wanted[name])
    ]
    _require(source, "of the wrong shape", wrong)
    return Part(network, header, {name: sources[name] for name in wanted})


def _pixels(shape: tuple[int, ...]) -> tuple[int, ...]:
    """A convolution of one pixel is a matrix, and some layouts write it so."""
    return shape[:2] if shape[2:] == (1, 1) else shape


def _own_name(name: str, wanted: Mapping[str, object]) -> str:
    # transformers dropped "text_model." from the names of CLIPTextModel in version 5; files keep it.
    return name if name in wanted else name.removeprefix("text_model.")


def _require(source: Source, fault: str, names: list[str]) -> None:
    if names:
        more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
        listed = ", ".join(names[:_SHOWN])
        raise source.header.error(f"{source.part}: {len(names)} weights are {fault}: {listed}{more}")


def fill(part: Part, device: torch.device, dtype: torch.dtype) -> None:
    """Gives a network its weights; raises CheckpointError when the file changed, OSError when it cannot be read."""
    own = {source: name for name, source in part.sources.items()}
    shapes = {name: weight.shape for name, weight in part.network.state_dict().items()}
    # On a CPU large matrices stay in the file, memory-mapped, until their layer is first called.
    left = lazily(part.network) if device.type == "cpu" else frozenset[str]()
    weights: dict[str, torch.Tensor] = {}
    for source, tensor in read_tensors(part.header, own):
        name = own[source]
        stays = name in left and tensor.numel() >= PACKED and tensor.dtype in _COMMON
        weights[name] = (tensor if stays else tensor.to(device, dtype)).reshape(shapes[name])
    part.network.load_state_dict(weights, assign=True)
    for module in part.network.modules():
        if isinstance(module, Embedding):
            module.computes_in = dtype
    part.network.requires_grad_(False).eval()
    for module in part.network.modules():
        _fill_positions(module, device)


def _fill_positions(module: nn.Module, device: torch.device) -> None:
    """Makes the one buffer that files do not carry: the numbers of the text encoder's positions."""
    positions = dict(module.named_buffers(recurse=False)).get("position_ids")
    if positions is not None:
        module.register_buffer("position_ids", torch.arange(positions.shape[-1], device=device)[None], persistent=False)
