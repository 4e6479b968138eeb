"""Brightness and colour apart, and pictures of few colours."""

from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image as Pillow

from nodeflow.diffusion.colour_spaces import from_yuv, to_yuv
from nodeflow.diffusion.errors import ValueRuleError
from nodeflow.diffusion.images import from_uint8, to_uint8
from nodeflow.diffusion.quantizing import bayer_matrix, quantized
from nodeflow.diffusion.types import Image, Item


def bytes_of(high: int = 24, wide: int = 30) -> "np.ndarray[tuple[int, ...], np.dtype[np.uint8]]":
    y, x = np.mgrid[0:high, 0:wide]
    return np.stack([x * 255 // (wide - 1), y * 255 // (high - 1), (x + y) * 4 % 256], axis=-1).astype(np.uint8)


def test_brightness_and_differences_are_those_of_pillow_to_one_byte() -> None:
    pixels = bytes_of()
    expected = np.asarray(Pillow.fromarray(pixels).convert("YCbCr")).astype(np.float32)
    for index, plane in enumerate(to_yuv(from_uint8([pixels]))):
        assert torch.equal(plane.pixels[..., 0], plane.pixels[..., 2])
        assert np.abs(plane.pixels[0, ..., 0].numpy() * 255 - expected[..., index]).max() < 1.2


@pytest.mark.parametrize("colour", [(1, 0, 0), (0, 1, 0), (0, 0, 1), (1, 1, 1), (0, 0, 0), (0.2, 0.4, 0.9)])
def test_a_colour_comes_back(colour: tuple[float, ...]) -> None:
    image = Image(torch.tensor(colour, dtype=torch.float32).expand(1, 2, 2, 3).contiguous())
    assert torch.allclose(from_yuv(*to_yuv(image)).pixels, image.pixels, atol=2e-3)  # the factors have three digits


def test_colours_that_cannot_be_are_brought_into_range() -> None:
    one, zero = Image(torch.ones(1, 1, 1, 3)), Image(torch.zeros(1, 1, 1, 3))
    assert from_yuv(one, zero, one).pixels.tolist() == [
        [[[1.0, pytest.approx(1 - 0.357 + 0.172), pytest.approx(0.1135)]]]
    ]


def test_rows_go_together_and_keep_their_items() -> None:
    y, u, v = to_yuv(Image(torch.rand(2, 3, 4, 4), (Item(1, 5), Item(2, 5))))
    found = from_yuv(y, u.select([0]), v)
    assert found.items == (Item(1, 5), Item(2, 5))
    assert found.pixels.shape == (2, 3, 4, 3)


def test_planes_of_different_sizes_are_refused() -> None:
    wide, small = Image(torch.rand(1, 3, 4, 3)), Image(torch.rand(1, 3, 3, 3))
    with pytest.raises(ValueRuleError, match="must have one size, found y 4x3, u 4x3, v 3x3"):
        from_yuv(wide, wide, small)


@pytest.mark.parametrize("colors", [1, 2, 7, 256])
@pytest.mark.parametrize(
    ("dither", "pillow"), [("none", Pillow.Dither.NONE), ("floyd-steinberg", Pillow.Dither.FLOYDSTEINBERG)]
)
def test_the_palette_is_that_of_pillow(dither: Any, pillow: Pillow.Dither, colors: int) -> None:
    pixels = bytes_of()
    palette = Pillow.fromarray(pixels).quantize(colors)
    expected = np.asarray(Pillow.fromarray(pixels).quantize(palette=palette, dither=pillow).convert("RGB"))
    (found,) = to_uint8(quantized(from_uint8([pixels]), colors, dither))
    assert np.array_equal(found, expected)
    assert len(np.unique(found.reshape(-1, 3), axis=0)) <= colors


def test_the_bayer_matrix_is_the_one_of_the_books() -> None:
    books = np.array([[0, 8, 2, 10], [12, 4, 14, 6], [3, 11, 1, 9], [15, 7, 13, 5]])
    assert np.allclose(bayer_matrix(4), (books + 0.5) / 16 - 0.5)


@pytest.mark.parametrize("size", [2, 4, 8, 16])
def test_the_bayer_matrix_has_every_threshold_once(size: int) -> None:
    matrix = bayer_matrix(size)
    assert np.allclose(np.sort(matrix.ravel()), (np.arange(size * size) + 0.5) / size**2 - 0.5)
    assert np.allclose(matrix[: size // 2, : size // 2] * 4 - bayer_matrix(size // 2) * 4, -1.5 / (size // 2) ** 2)


@pytest.mark.parametrize("size", [2, 4, 8, 16])
def test_a_pattern_imitates_what_lies_between_two_colours(size: int) -> None:
    """Of a grey between black and white, about as many pixels are white as it is bright."""
    shades = np.repeat(np.linspace(0, 255, 32).astype(np.uint8), 16)
    grey = np.stack([np.tile(shades, (64, 1))] * 3, axis=-1)
    dither: Any = f"bayer-{size}"
    found = quantized(from_uint8([grey]), 2, dither).pixels[0, ..., 0].numpy()
    plain = quantized(from_uint8([grey]), 2).pixels[0, ..., 0].numpy()
    assert len(np.unique(found)) == 2
    blocks = found.reshape(64, 32, 16).mean((0, 2))
    assert len(np.unique(blocks.round(4))) > len(np.unique(plain.reshape(64, 32, 16).mean((0, 2))))
    assert (np.diff(blocks) >= -1e-6).all()


def test_every_picture_has_a_palette_of_its_own_and_keeps_its_transparency() -> None:
    rows = torch.rand(2, 8, 8, 4) * torch.tensor([0.4]) + torch.tensor([0.0, 0.6]).view(2, 1, 1, 1)
    image = Image(rows, (Item(0, 3), Item(2, 3)))
    found = quantized(image, 4, "bayer-4")
    assert found.items == image.items
    assert torch.equal(found.pixels[..., 3], image.pixels[..., 3])
    assert found.pixels[0, ..., :3].max() < found.pixels[1, ..., :3].min()


@pytest.mark.parametrize(("colors", "dither"), [(0, "none"), (257, "none"), (4, "bayer-3")])
def test_impossible_reductions_are_refused(colors: int, dither: Any) -> None:
    with pytest.raises(ValueRuleError, match="is not possible"):
        quantized(Image(torch.rand(1, 4, 4, 3)), colors, dither)
