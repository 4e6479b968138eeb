"""What tells kinds of model files apart: predicates over the names and shapes in a header."""

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType

from nodeflow.diffusion.checkpoints.keymaps import UNET
from nodeflow.diffusion.checkpoints.read import Header

Mark = Callable[[Header], bool]

BASES: Mapping[int, str] = MappingProxyType({768: "sd1", 1024: "sd2", 2048: "sdxl", 1280: "sdxl-refiner"})
"""Families by the width of the text states that their UNet attends to."""

BASE_TITLES: Mapping[str, str] = MappingProxyType(
    {
        "sd1": "Stable Diffusion 1",
        "sd2": "Stable Diffusion 2",
        "sdxl": "Stable Diffusion XL",
        "sdxl-refiner": "the Stable Diffusion XL refiner",
        "sd3": "Stable Diffusion 3",
        "flux": "Flux",
    }
)
"""What the family that a file is made for is called."""

_KEYS_OF_TEXT = re.compile(r"attn2.*to_k(?!_ip).*(?<!lora_up)(?<!lora_B)(?<!lora\.up)\.weight$")
_TEXT_LORA = re.compile(r"(lora_te|text_encoder|text_model).*q_proj.*(lora_down|lora_A|lora\.down).*\.weight$")
_TRANSFORMERS = (
    ("flux", ("double_blocks", "single_blocks", "single_transformer_blocks")),
    ("sd3", ("joint_blocks", "attn_add_k_proj", "attn.add_k_proj")),
)


_SAID = (
    ("sd-v1", "sd1"),
    ("stable-diffusion-v1", "sd1"),
    ("sd-v2", "sd2"),
    ("stable-diffusion-v2", "sd2"),
    ("sdxl", "sdxl"),
    ("stable-diffusion-xl", "sdxl"),
    ("sd3", "sd3"),
    ("stable-diffusion-3", "sd3"),
    ("flux", "flux"),
)
"""How the metadata of files begin that say what they are made for."""


def names(*wanted: str) -> Mark:
    """Any of these names occurs, with or without the prefix of a whole checkpoint."""
    return lambda header: any(name in header.tensors or UNET.prefix + name in header.tensors for name in wanted)


def contains(*fragments: str) -> Mark:
    """Any of these fragments occurs in a name."""
    return lambda header: any(fragment in name for name in header.tensors for fragment in fragments)


def begins(*prefixes: str) -> Mark:
    """Any name begins with one of these."""
    return lambda header: any(name.startswith(prefixes) for name in header.tensors)


def both(*marks: Mark) -> Mark:
    """All of these marks are there."""
    return lambda header: all(mark(header) for mark in marks)


def absent(mark: Mark) -> Mark:
    """This mark is not there."""
    return lambda header: not mark(header)


def dimension(name: str, axis: int, *sizes: int) -> Mark:
    """A tensor of this name, with or without the prefix of a whole checkpoint, has one of these sizes along an axis."""

    def mark(header: Header) -> bool:
        info = header.tensors.get(UNET.prefix + name) or header.tensors.get(name)
        return info is not None and len(info.shape) > axis and info.shape[axis] in sizes

    return mark


def linear_transformers(header: Header) -> bool:
    """SD2 and SDXL project in and out of a transformer by a matrix, SD1 by a convolution with one pixel."""
    shapes = (info.shape for name, info in header.tensors.items() if name.endswith(".1.proj_in.weight"))
    return len(next(shapes, ())) == 2


def few_vectors(header: Header) -> bool:
    """Nothing but a few rows as wide as the states of some text encoder: words that were learned."""
    shapes = [info.shape for info in header.tensors.values()]
    return len(shapes) <= 4 and all(1 <= len(shape) <= 2 and shape[-1] in BASES for shape in shapes)


def base_by_text(header: Header) -> str | None:
    """The family whose text states the cross-attention takes; flow transformers are told by their blocks."""
    for base, fragments in _TRANSFORMERS:
        if contains(*fragments)(header):
            return base
    if begins("lora_te2_", "text_encoder_2.")(header):
        return "sdxl"
    for pattern in (_KEYS_OF_TEXT, _TEXT_LORA):
        widths = (
            info.shape[1] for name, info in header.tensors.items() if pattern.search(name) and len(info.shape) > 1
        )
        if (width := next(widths, None)) is not None:
            return BASES.get(width)
    return base_by_metadata(header)


def base_by_metadata(header: Header) -> str | None:
    """The family that a trainer wrote into the file."""
    for key in ("ss_base_model_version", "modelspec.architecture"):
        said = header.metadata.get(key, "").lower().replace("_", "-")
        for start, base in _SAID:
            if said.startswith(start):
                return base
    return None


def base_by_width(header: Header) -> str | None:
    """The family whose text encoder has states as wide as the rows of an embedding."""
    widths = {info.shape[-1] for info in header.tensors.values() if info.shape}
    return "sdxl" if len(widths) > 1 else BASES.get(min(widths, default=0))


def base_by_latents(header: Header) -> str | None:
    """The latent space of an autoencoder, as far as its shapes tell: 16 channels are those of SD3 and Flux."""
    decoder = (info.shape for name, info in header.tensors.items() if name.endswith("decoder.conv_in.weight"))
    shape = next(decoder, ())
    return "flux" if shape[1:2] == (16,) else None
