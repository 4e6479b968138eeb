"""What goes to the disk comes back exactly, and what is damaged is refused."""

import dataclasses
import json
from typing import Any

import pytest
import torch

from nodeflow.api import Codec, Encoded
from nodeflow.diffusion.latent_formats import SD1
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
from nodeflow_nodes import codecs

ROWS = (Item(2, 5), Item(0, 5))


def fields(value: object) -> dict[str, Any]:
    assert dataclasses.is_dataclass(value)
    return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}


def same(one: object, other: object) -> bool:
    """Whether two values have equal parts, tensors bit by bit."""
    if isinstance(one, torch.Tensor):
        return isinstance(other, torch.Tensor) and one.dtype == other.dtype and torch.equal(one, other)
    if isinstance(one, tuple) and isinstance(other, tuple):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, Mask | Entry | Inpaint | Latent):
        return type(one) is type(other) and all(map(same, fields(one).values(), fields(other).values()))
    return one == other


def stored(encoded: Encoded) -> Encoded:
    """As it comes back from a file: the header through JSON, blobs as views."""
    return Encoded(json.loads(json.dumps(encoded.header)), [memoryview(bytes(blob)) for blob in encoded.blobs])


CASES: list[tuple[Codec, Any]] = [
    (codecs.image, Image(torch.rand(2, 3, 4, 3), ROWS)),
    (codecs.image, Image(torch.rand(1, 5, 4, 4).transpose(1, 2))),
    (codecs.mask, Mask(torch.rand(2, 3, 4))),
    (codecs.latent, Latent(torch.randn(2, 4, 2, 3), SD1, ROWS, Mask(torch.rand(1, 16, 24)))),
    (codecs.latent, Latent(torch.randn(1, 16, 2, 3, dtype=torch.bfloat16))),
    (codecs.sigmas, Sigmas((14.614641189575195, 0.1, 0.0))),
    (codecs.sampler_choice, SamplerChoice("er_sde", {"eta": 0.5, "max_stage": 2, "pece": True, "solver_type": "ODE"})),
    (codecs.noise_choice, NoiseChoice(2**53 - 1, silent=True)),
    (
        codecs.conditioning,
        Conditioning((Entry(torch.randn(1, 77, 8), torch.randn(1, 8), 0.1), Entry(torch.randn(1, 154, 8)))),
    ),
    (
        codecs.conditioning,
        Conditioning(
            (
                Entry(torch.randn(1, 77, 8), default=True),
                Entry(torch.randn(1, 77, 8), area=Area(8, 16, 64, 0.5), start=0.1, end=0.9),
                Entry(
                    torch.randn(2, 77, 8),
                    area=Area(0.1, 0.2, 0.3, 0.0, relative=True),
                    mask=Mask(torch.rand(2, 3, 4)),
                    mask_strength=0.3,
                    mask_bounds=True,
                ),
                Entry(
                    torch.randn(1, 77, 8),
                    torch.randn(1, 8),
                    inpaint=Inpaint(
                        Mask(torch.rand(1, 8, 8)), Latent(torch.randn(1, 4, 2, 3), SD1, (), Mask(torch.rand(1, 2, 2)))
                    ),
                ),
                Entry(
                    torch.randn(1, 77, 8), inpaint=Inpaint(Mask(torch.rand(1, 8, 8)), Latent(torch.randn(1, 4, 2, 3)))
                ),
            )
        ),
    ),
]


@pytest.mark.parametrize(("codec", "value"), CASES, ids=lambda case: type(case).__name__)
def test_a_value_comes_back_exactly(codec: Codec, value: Any) -> None:
    found = codec.decode(stored(codec.encode(value)))
    assert type(found) is type(value)
    assert all(map(same, fields(value).values(), fields(found).values()))


def test_what_was_kept_before_there_were_areas_is_still_read() -> None:
    written = codecs.conditioning.encode(Conditioning((Entry(torch.ones(1, 77, 8), torch.ones(1, 8), 0.5),)))
    old = {"type": "Conditioning", "entries": [{"strength": 0.5, "pooled": True}]}
    (entry,) = codecs.conditioning.decode(Encoded(old, written.blobs)).entries
    assert same(entry, Entry(torch.ones(1, 77, 8), torch.ones(1, 8), 0.5))


def test_a_conditioning_that_holds_one_tensor_twice_can_be_kept() -> None:
    one = Conditioning((Entry(torch.randn(1, 77, 8)),))
    assert len(codecs.conditioning.decode(codecs.conditioning.encode(one.combine(one))).entries) == 2


@pytest.mark.parametrize(("codec", "value"), CASES, ids=lambda case: type(case).__name__)
def test_damage_is_a_value_error(codec: Codec, value: Any) -> None:
    whole = codec.encode(value)
    less = [Encoded(whole.header, whole.blobs[1:])] if whole.blobs else []
    torn = [Encoded(whole.header, [bytes(blob)[:20], *whole.blobs[1:]]) for blob in whole.blobs[:1]]
    for broken in (
        *less,
        *torn,
        Encoded(whole.header, [*whole.blobs, b""]),
        Encoded({"type": "Other"}, whole.blobs),
        Encoded(None, whole.blobs),
    ):
        with pytest.raises(ValueError):
            codec.decode(broken)
