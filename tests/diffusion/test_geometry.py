"""Pictures cut, turned, mirrored, padded and joined, against numpy, Pillow and closed forms."""

from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image as Pillow

from nodeflow.diffusion.errors import ValueRuleError
from nodeflow.diffusion.geometry import fitted, mirrored, padded_for_outpaint, stitched, turned, window
from nodeflow.diffusion.images import from_uint8, to_uint8
from nodeflow.diffusion.types import Image, Item


def picture(rows: int = 1, height: int = 4, width: int = 6, channels: int = 3, seed: int = 0) -> Image:
    return Image(torch.rand(rows, height, width, channels, generator=torch.Generator().manual_seed(seed)))


def bytes_of(height: int, width: int, channels: int = 3) -> "np.ndarray[tuple[int, ...], np.dtype[np.uint8]]":
    return np.random.default_rng(0).integers(0, 256, (height, width, channels), np.uint8)


def test_a_window_ends_where_the_picture_ends() -> None:
    assert window(2, 3, 10, "width") == slice(2, 5)
    assert window(8, 3, 10, "width") == slice(8, 10)


@pytest.mark.parametrize("start", [-1, 10, 99])
def test_a_window_that_begins_outside_is_refused(start: int) -> None:
    with pytest.raises(ValueRuleError, match=f"{start} lies outside: the width is 10, so 9 is the last there is"):
        window(start, 3, 10, "width")


@pytest.mark.parametrize(
    ("quarters", "pillow"),
    [(1, Pillow.Transpose.ROTATE_270), (2, Pillow.Transpose.ROTATE_180), (3, Pillow.Transpose.ROTATE_90)],
)
def test_pictures_are_turned_clockwise(quarters: int, pillow: Pillow.Transpose) -> None:
    pixels = bytes_of(4, 6)
    (found,) = to_uint8(turned(from_uint8([pixels]), quarters))
    assert np.array_equal(found, np.asarray(Pillow.fromarray(pixels).transpose(pillow)))


@pytest.mark.parametrize(
    ("upside_down", "pillow"),
    [(True, Pillow.Transpose.FLIP_TOP_BOTTOM), (False, Pillow.Transpose.FLIP_LEFT_RIGHT)],
)
def test_pictures_are_mirrored(upside_down: bool, pillow: Pillow.Transpose) -> None:
    pixels = bytes_of(4, 6, 4)
    (found,) = to_uint8(mirrored(from_uint8([pixels]), upside_down=upside_down))
    assert np.array_equal(found, np.asarray(Pillow.fromarray(pixels).transpose(pillow)))


@pytest.mark.parametrize("channels", [3, 4])
def test_the_new_part_is_grey_and_opaque_and_the_old_one_stays(channels: int) -> None:
    image = picture(2, 5, 7, channels)
    larger, mask = padded_for_outpaint(image, 8, 16, 24, 32, 0)
    assert larger.pixels.shape == (2, 5 + 48, 7 + 32, channels)
    assert torch.equal(larger.pixels[:, 16:21, 8:15], image.pixels)
    assert larger.pixels[:, :16, :, :3].unique().tolist() == [0.5]
    assert larger.pixels[:, :16, :, 3:].unique().tolist() in ([], [1.0])
    assert larger.items == image.items
    expected = torch.ones(1, 53, 39)
    expected[:, 16:21, 8:15] = 0
    assert torch.equal(mask.values, expected)


@pytest.mark.parametrize("sides", [(8, 0, 0, 0), (0, 8, 0, 0), (0, 0, 8, 0), (0, 0, 0, 8), (8, 8, 8, 8), (0, 0, 0, 0)])
def test_the_mask_falls_as_a_parabola_from_the_sides_that_grow(sides: tuple[int, int, int, int]) -> None:
    high, wide, feathering = 20, 26, 6
    left, top, right, bottom = sides
    _, mask = padded_for_outpaint(picture(1, high, wide), left, top, right, bottom, feathering)
    for row in range(high):
        for column in range(wide):
            ways = [
                row if top else high,
                high - row if bottom else high,
                column if left else wide,
                wide - column if right else wide,
            ]
            expected = max(0.0, (feathering - min(ways)) / feathering) ** 2
            assert mask.values[0, top + row, left + column].item() == pytest.approx(expected, abs=1e-6)


def test_feathering_that_does_not_fit_is_left_out() -> None:
    _, mask = padded_for_outpaint(picture(1, 20, 26), 8, 8, 8, 8, 10)
    assert not mask.values[0, 8:28, 8:34].any()


def test_more_than_fits_into_memory_is_refused_before_it_is_made() -> None:
    with pytest.raises(ValueRuleError, match="GiB are free"):
        padded_for_outpaint(Image(torch.zeros(1, 1, 1, 3).expand(4096, 1, 1, 3)), 16384, 16384, 16384, 16384, 0)


@pytest.mark.parametrize(("size", "inner"), [((40, 40), (40, 20)), ((10, 40), (10, 5)), ((60, 15), (30, 15))])
@pytest.mark.parametrize("white", [True, False])
def test_a_whole_picture_is_fitted_into_the_middle(size: tuple[int, int], inner: tuple[int, int], white: bool) -> None:
    image = Image(torch.full((2, 10, 20, 3), 0.5))
    found = fitted(image, *size, white=white, method="bilinear")
    assert (found.width, found.height) == size
    left, top = (size[0] - inner[0]) // 2, (size[1] - inner[1]) // 2
    expected = torch.full((2, size[1], size[0], 3), float(white))
    expected[:, top : top + inner[1], left : left + inner[0]] = 0.5
    assert torch.allclose(found.pixels, expected)


def test_a_long_thin_picture_is_fitted_with_a_pixel_left_of_it() -> None:
    assert fitted(Image(torch.zeros(1, 1, 1000, 3)), 10, 10).pixels.mean().item() == pytest.approx(0.9)


@pytest.mark.parametrize("direction", ["right", "down", "left", "up"])
def test_pictures_of_one_size_are_put_beside_each_other(direction: Any) -> None:
    one, other = picture(2, seed=1), picture(2, seed=2)
    axis, order = (1 if direction in ("up", "down") else 2), (-1 if direction in ("left", "up") else 1)
    found = stitched(one, other, direction, match_size=False)
    expected = np.concatenate([one.pixels.numpy(), other.pixels.numpy()][::order], axis=axis)
    assert np.array_equal(found.pixels.numpy(), expected)


@pytest.mark.parametrize(("direction", "size"), [("right", (4 + 10, 4)), ("up", (4, 4 + 1))])
def test_the_second_is_scaled_to_the_side_where_they_touch(direction: Any, size: tuple[int, int]) -> None:
    found = stitched(picture(1, 4, 4), picture(1, 8, 20), direction)
    assert (found.width, found.height) == size


def test_the_second_is_scaled_by_lanczos_as_pillow_does() -> None:
    second = bytes_of(8, 12)
    found = stitched(Image(torch.zeros(1, 4, 5, 3)), from_uint8([second]))
    expected = np.asarray(Pillow.fromarray(second).resize((6, 4), Pillow.Resampling.LANCZOS))
    assert np.array_equal(to_uint8(found)[0][:, 5:], expected)


@pytest.mark.parametrize(("colour", "paper"), [("white", 1.0), ("black", 0.0), ("red", 0.0)])
def test_a_shorter_picture_is_centred(colour: Any, paper: float) -> None:
    found = stitched(Image(torch.full((1, 2, 3, 3), 0.5)), picture(1, 5, 3), match_size=False, colour=colour)
    assert found.pixels[0, :, 0, 0].tolist() == [paper, 0.5, 0.5, paper, paper]


@pytest.mark.parametrize(
    ("colour", "expected"),
    [
        ("white", [1, 1, 1, 1]),
        ("black", [0, 0, 0, 1]),
        ("red", [1, 0, 0, 1]),
        ("green", [0, 1, 0, 1]),
        ("blue", [0, 0, 1, 1]),
    ],
)
def test_the_space_has_a_colour_and_an_even_width(colour: Any, expected: list[float]) -> None:
    found = stitched(picture(1, 4, 6, 4), picture(1, 4, 6), match_size=False, spacing=3, colour=colour)
    assert found.width == 6 + 4 + 6
    assert found.pixels[0, :, 6:10].reshape(-1, 4).unique(dim=0).tolist() == [expected]
    assert found.pixels[..., 10:, 3].min() == 1  # what has no alpha channel is opaque


def test_the_last_row_of_the_shorter_batch_is_repeated() -> None:
    one, other = picture(3, seed=1), picture(2, seed=2)
    found = stitched(other, one, match_size=False)
    assert torch.equal(found.pixels[:, :, :6], other.pixels[[0, 1, 1]])
    assert torch.equal(found.pixels[:, :, 6:], one.pixels)


def test_the_items_are_those_of_the_longer_batch() -> None:
    one = Image(torch.zeros(1, 4, 6, 3), (Item(2, 4),))
    assert stitched(one, picture(1)).items == one.items
    assert stitched(picture(1), Image(torch.zeros(2, 4, 6, 3), (Item(1, 4), Item(2, 4)))).items == (
        Item(1, 4),
        Item(2, 4),
    )


@pytest.mark.parametrize("arguments", [{"direction": "over"}, {"colour": "pink"}])
def test_unknown_ways_to_stitch_are_refused(arguments: Any) -> None:
    with pytest.raises(ValueRuleError, match="is unknown"):
        stitched(picture(), picture(), **arguments)


@pytest.mark.parametrize(("width", "height"), [(15, 22), (246, 15)])
def test_pictures_of_one_size_are_stitched_as_they_are(width: int, height: int) -> None:
    one = picture(1, height, width)
    for direction in ("right", "down"):
        joined = stitched(one, one, direction)
        assert (joined.width, joined.height) == ((2 * width, height) if direction == "right" else (width, 2 * height))


def test_a_picture_of_the_canvas_s_proportions_fills_it_to_the_last_pixel() -> None:
    assert not fitted(Image(torch.zeros(1, 7, 7, 3)), 61, 61).pixels.any()
    assert not fitted(Image(torch.zeros(1, 14, 7, 3)), 61, 122).pixels.any()
