"""How the values of sockets are kept on disk: a small header, and one safetensors blob per tensor.

Models, text encoders and autoencoders have no codec: they stay in memory, their files are on disk already.
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict

from nodeflow.api import Encoded
from nodeflow.diffusion.latent_formats import LatentFormat
from nodeflow.diffusion.types import (
    Area,
    Conditioning,
    Entry,
    Image,
    Inpaint,
    Item,
    Latent,
    Mask,
    NoiseChoice,
    SamplerChoice,
    Sigmas,
)

if TYPE_CHECKING:
    import torch


class _Header(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Items(_Header):
    type: Literal["Image"] = "Image"
    items: tuple[tuple[int, int], ...]


class _Mask(_Header):
    type: Literal["Mask"] = "Mask"


class _Latent(_Header):
    type: Literal["Latent"] = "Latent"
    items: tuple[tuple[int, int], ...]
    format: LatentFormat | None
    masked: bool


class _Area(_Header):
    x: float
    y: float
    width: float
    height: float
    relative: bool


class _Entry(_Header):
    """An entry without its tensors; what has a default was not written before there were areas."""

    strength: float
    pooled: bool
    area: _Area | None = None
    masked: bool = False
    mask_strength: float = 1.0
    mask_bounds: bool = False
    start: float = 0.0
    end: float = 1.0
    inpaint: _Latent | None = None
    default: bool = False

    @property
    def tensors(self) -> int:
        """How many blobs belong to it."""
        inpaint = 0 if self.inpaint is None else 3 if self.inpaint.masked else 2
        return 1 + self.pooled + self.masked + inpaint


class _Conditioning(_Header):
    type: Literal["Conditioning"] = "Conditioning"
    entries: tuple[_Entry, ...]


class _Sigmas(_Header):
    type: Literal["Sigmas"] = "Sigmas"
    values: tuple[float, ...]


class _SamplerChoice(_Header):
    type: Literal["SamplerChoice"] = "SamplerChoice"
    name: str
    options: dict[str, bool | int | float | str]


class _NoiseChoice(_Header):
    type: Literal["NoiseChoice"] = "NoiseChoice"
    seed: int
    silent: bool


class ImageCodec:
    """Pixels and batch items."""

    def encode(self, value: Image, /) -> Encoded:
        """Header and blobs of `value`."""
        return _encoded(_Items(items=_pairs(value.items)), value.pixels)

    def decode(self, encoded: Encoded, /) -> Image:
        """The value again, on the CPU."""
        header = _Items.model_validate(encoded.header)
        (pixels,) = _tensors(encoded, 1)
        return Image(pixels, _items(header.items))


class MaskCodec:
    """The mask's values."""

    def encode(self, value: Mask, /) -> Encoded:
        """Header and blobs of `value`."""
        return _encoded(_Mask(), value.values)

    def decode(self, encoded: Encoded, /) -> Mask:
        """The value again, on the CPU."""
        _Mask.model_validate(encoded.header)
        (values,) = _tensors(encoded, 1)
        return Mask(values)


class LatentCodec:
    """Samples, their space, batch items, and the noise mask where there is one."""

    def encode(self, value: Latent, /) -> Encoded:
        """Header and blobs of `value`."""
        return _encoded(_latent_header(value), *_latent_tensors(value))

    def decode(self, encoded: Encoded, /) -> Latent:
        """The value again, on the CPU."""
        header = _Latent.model_validate(encoded.header)
        return _latent(header, iter(_tensors(encoded, 2 if header.masked else 1)))


class ConditioningCodec:
    """Each entry: context, pooled vector, strength, where and when it holds, and what an in-painting network sees."""

    def encode(self, value: Conditioning, /) -> Encoded:
        """Header and blobs of `value`."""
        header = _Conditioning(entries=tuple(_entry_header(entry) for entry in value.entries))
        return _encoded(header, *(tensor for entry in value.entries for tensor in _entry_tensors(entry)))

    def decode(self, encoded: Encoded, /) -> Conditioning:
        """The value again, on the CPU."""
        header = _Conditioning.model_validate(encoded.header)
        rest = iter(_tensors(encoded, sum(entry.tensors for entry in header.entries)))
        return Conditioning(tuple(_entry(each, rest) for each in header.entries))


class SigmasCodec:
    """Noise levels, in the header."""

    def encode(self, value: Sigmas, /) -> Encoded:
        """Header of `value`."""
        return _encoded(_Sigmas(values=value.values))

    def decode(self, encoded: Encoded, /) -> Sigmas:
        """The value again."""
        _tensors(encoded, 0)
        return Sigmas(_Sigmas.model_validate(encoded.header).values)


class SamplerChoiceCodec:
    """Name and options, in the header."""

    def encode(self, value: SamplerChoice, /) -> Encoded:
        """Header of `value`."""
        return _encoded(_SamplerChoice(name=value.name, options=dict(value.options)))

    def decode(self, encoded: Encoded, /) -> SamplerChoice:
        """The value again."""
        _tensors(encoded, 0)
        header = _SamplerChoice.model_validate(encoded.header)
        return SamplerChoice(header.name, header.options)


class NoiseChoiceCodec:
    """Seed and silence, in the header."""

    def encode(self, value: NoiseChoice, /) -> Encoded:
        """Header of `value`."""
        return _encoded(_NoiseChoice(seed=value.seed, silent=value.silent))

    def decode(self, encoded: Encoded, /) -> NoiseChoice:
        """The value again."""
        _tensors(encoded, 0)
        header = _NoiseChoice.model_validate(encoded.header)
        return NoiseChoice(header.seed, header.silent)


def _encoded(header: _Header, *tensors: "torch.Tensor") -> Encoded:
    from safetensors.torch import save

    # One blob each, so that tensors may share storage, as the same conditioning taken twice does.
    blobs = [save({"tensor": tensor.detach().cpu().contiguous()}) for tensor in tensors]
    return Encoded(header.model_dump(mode="json"), blobs)


def _tensors(encoded: Encoded, count: int) -> "Sequence[torch.Tensor]":
    """Reads the blobs.

    Raises:
        ValueError: There are not `count` of them, or one is not what `_encoded` wrote.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load

    if len(encoded.blobs) != count:
        raise ValueError(f"{count} tensors expected, found {len(encoded.blobs)}")
    try:
        return [load(bytes(blob))["tensor"] for blob in encoded.blobs]
    except (SafetensorError, KeyError) as error:
        raise ValueError(f"damaged tensor: {error}") from error


def _entry_header(entry: Entry) -> _Entry:
    return _Entry(
        strength=entry.strength,
        pooled=entry.pooled is not None,
        area=None if entry.area is None else _Area(**asdict(entry.area)),
        masked=entry.mask is not None,
        mask_strength=entry.mask_strength,
        mask_bounds=entry.mask_bounds,
        start=entry.start,
        end=entry.end,
        inpaint=None if entry.inpaint is None else _latent_header(entry.inpaint.latent),
        default=entry.default,
    )


def _entry_tensors(entry: Entry) -> "Iterator[torch.Tensor]":
    yield entry.context
    if entry.pooled is not None:
        yield entry.pooled
    if entry.mask is not None:
        yield entry.mask.values
    if entry.inpaint is not None:
        yield entry.inpaint.mask.values
        yield from _latent_tensors(entry.inpaint.latent)


def _entry(header: _Entry, tensors: "Iterator[torch.Tensor]") -> Entry:
    return Entry(
        context=next(tensors),
        pooled=next(tensors) if header.pooled else None,
        strength=header.strength,
        area=None if header.area is None else Area(**header.area.model_dump()),
        mask=Mask(next(tensors)) if header.masked else None,
        mask_strength=header.mask_strength,
        mask_bounds=header.mask_bounds,
        start=header.start,
        end=header.end,
        inpaint=None if header.inpaint is None else Inpaint(Mask(next(tensors)), _latent(header.inpaint, tensors)),
        default=header.default,
    )


def _latent_header(value: Latent) -> _Latent:
    return _Latent(items=_pairs(value.items), format=value.format, masked=value.noise_mask is not None)


def _latent_tensors(value: Latent) -> "Iterator[torch.Tensor]":
    yield value.samples
    if value.noise_mask is not None:
        yield value.noise_mask.values


def _latent(header: _Latent, tensors: "Iterator[torch.Tensor]") -> Latent:
    samples = next(tensors)
    return Latent(samples, header.format, _items(header.items), Mask(next(tensors)) if header.masked else None)


def _pairs(items: Sequence[Item]) -> tuple[tuple[int, int], ...]:
    return tuple((item.index, item.batch_size) for item in items)


def _items(pairs: Sequence[tuple[int, int]]) -> tuple[Item, ...]:
    return tuple(Item(*pair) for pair in pairs)


image = ImageCodec()
mask = MaskCodec()
latent = LatentCodec()
conditioning = ConditioningCodec()
sigmas = SigmasCodec()
sampler_choice = SamplerChoiceCodec()
noise_choice = NoiseChoiceCodec()
