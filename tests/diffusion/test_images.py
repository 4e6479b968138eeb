"""Pictures as bytes, at other sizes, and on sheets."""

from typing import Any

import numpy as np
import pytest
import torch

from nodeflow.diffusion.errors import ValueRuleError
from nodeflow.diffusion.images import ImageMethod, from_uint8, scale_image, sheet, to_uint8
from nodeflow.diffusion.types import Image, Item


def test_bytes_come_back_as_they_went_in() -> None:
    arrays = [np.arange(256, dtype=np.uint8).reshape(8, 8, 4), np.zeros((8, 8, 4), np.uint8)]
    back = to_uint8(from_uint8(arrays))
    assert all(np.array_equal(a, b) for a, b in zip(arrays, back, strict=True))


def test_bytes_are_cut_off_not_rounded() -> None:
    assert to_uint8(Image(torch.full((1, 1, 1, 3), 0.999)))[0].tolist() == [[[254, 254, 254]]]


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ([], "one or more uint8 arrays"),
        ([np.zeros((2, 2, 3))], "one or more uint8 arrays"),
        (
            [np.zeros((2, 2, 3), np.uint8), np.zeros((2, 3, 3), np.uint8)],
            r"one size, found \[2, 2, 3\] and \[2, 3, 3\]",
        ),
    ],
)
def test_arrays_that_are_no_batch_are_refused(arrays: list[Any], message: str) -> None:
    with pytest.raises(ValueRuleError, match=message):
        from_uint8(arrays)


@pytest.mark.parametrize("method", ["nearest-exact", "bilinear", "area", "bicubic", "lanczos"])
@pytest.mark.parametrize("channels", [3, 4])
def test_pictures_are_scaled_and_stay_in_range(method: ImageMethod, channels: int) -> None:
    torch.manual_seed(0)
    image = Image((torch.rand(2, 10, 20, channels) > 0.5).float(), (Item(3, 5), Item(4, 5)))
    scaled = scale_image(image, 33, 17, method)
    assert scaled.pixels.shape == (2, 17, 33, channels)
    assert scaled.items == image.items


@pytest.mark.parametrize(
    ("size", "expected"), [((40, 0), (40, 20)), ((0, 5), (10, 5)), ((3, 0), (3, 2)), ((1, 0), (1, 1))]
)
def test_a_missing_side_follows_from_the_other(size: tuple[int, int], expected: tuple[int, int]) -> None:
    scaled = scale_image(Image(torch.rand(1, 10, 20, 3)), *size, "bilinear")
    assert (scaled.width, scaled.height) == expected


@pytest.mark.parametrize(("size", "box"), [((10, 10), (0, 10, 5, 15)), ((40, 5), (4, 6, 0, 20))])
def test_the_middle_is_cut_out(size: tuple[int, int], box: tuple[int, int, int, int]) -> None:
    torch.manual_seed(0)
    image = Image(torch.rand(1, 10, 20, 3))
    top, bottom, left, right = box
    middle = Image(image.pixels[:, top:bottom, left:right].contiguous())
    cut, squeezed = scale_image(image, *size, "area", "center"), scale_image(middle, *size, "area")
    assert torch.equal(cut.pixels, squeezed.pixels)


@pytest.mark.parametrize(
    "arguments",
    [(0, 0, "area", "disabled"), (-1, 5, "area", "disabled"), (5, 5, "magic", "disabled"), (5, 5, "area", "left")],
)
def test_impossible_scalings_are_refused(arguments: Any) -> None:
    with pytest.raises(ValueRuleError):
        scale_image(Image(torch.rand(1, 10, 20, 3)), *arguments)


def test_a_sheet_shows_pictures_row_by_row() -> None:
    pictures = [Image(torch.full((1, 2, 3, 3), value)) for value in (0.0, 0.25, 0.5)]
    laid = sheet(pictures, columns=2, gap=1).pixels[0, :, :, 0]
    assert laid.shape == (5, 7)
    assert laid[0].tolist() == [0.0, 0.0, 0.0, 1.0, 0.25, 0.25, 0.25]
    assert laid[2].tolist() == [1.0] * 7
    assert laid[4].tolist() == [0.5, 0.5, 0.5, 1.0, 1.0, 1.0, 1.0]


def test_a_sheet_is_no_wider_than_its_pictures() -> None:
    assert sheet([Image(torch.rand(2, 2, 3, 4))], columns=9).pixels.shape == (1, 2, 6, 3)


@pytest.mark.parametrize(("images", "columns", "gap"), [(0, 1, 0), (1, 0, 0), (1, 1, -1)])
def test_impossible_sheets_are_refused(images: int, columns: int, gap: int) -> None:
    with pytest.raises(ValueRuleError, match="not possible"):
        sheet([Image(torch.rand(1, 2, 3, 3))] * images, columns, gap)
