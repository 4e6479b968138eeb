"""Morphology against scipy.ndimage, exactly."""

from typing import Any

import numpy as np
import pytest
import torch
from scipy import ndimage

from nodeflow.diffusion.errors import ValueRuleError
from nodeflow.diffusion.morphology import dilated, eroded, morphed, spread
from nodeflow.diffusion.types import Image, Item

SIZES = [1, 2, 3, 4, 5, 8, 15, 60]


def values(high: int = 17, wide: int = 23) -> torch.Tensor:
    return torch.rand(high, wide, generator=torch.Generator().manual_seed(high * wide))


@pytest.mark.parametrize("size", SIZES)
def test_dilation_and_erosion_are_those_of_scipy(size: int) -> None:
    plane = values()
    # scipy's erosion takes one pixel more before, its dilation one more behind, as ours do.
    larger = ndimage.grey_dilation(plane.numpy(), size=(size, size), mode="constant", cval=-np.inf)
    smaller = ndimage.grey_erosion(plane.numpy(), size=(size, size), mode="constant", cval=np.inf)
    assert np.array_equal(dilated(plane, size).numpy(), larger)
    assert np.array_equal(eroded(plane, size).numpy(), smaller)


@pytest.mark.parametrize("steps", [0, 1, 2, 5, 100])
def test_a_diamond_grows_as_a_cross_does_again_and_again(steps: int) -> None:
    plane = values(9, 12)
    expected = plane.numpy()
    for _ in range(steps):
        expected = ndimage.grey_dilation(expected, footprint=ndimage.generate_binary_structure(2, 1))
    assert np.array_equal(spread(plane, steps).numpy(), expected)


@pytest.mark.parametrize("size", [3, 5, 7])
@pytest.mark.parametrize(
    ("operation", "scipy"),
    [
        ("erode", ndimage.grey_erosion),
        ("dilate", ndimage.grey_dilation),
        ("open", ndimage.grey_opening),
        ("close", ndimage.grey_closing),
        ("gradient", ndimage.morphological_gradient),
        ("top_hat", ndimage.white_tophat),
        ("bottom_hat", ndimage.black_tophat),
    ],
)
def test_each_operation_is_that_of_scipy(operation: Any, scipy: Any, size: int) -> None:
    image = Image(torch.rand(2, 13, 16, 3, generator=torch.Generator().manual_seed(1)), (Item(1, 4), Item(2, 4)))
    found = morphed(image, operation, size)
    assert found.items == image.items
    for row in range(2):
        for colour in range(3):
            # Repeated edge pixels are never more extreme than what is inside, so this mode changes nothing.
            expected = scipy(image.pixels[row, ..., colour].numpy(), size=(size, size), mode="nearest")
            assert np.allclose(found.pixels[row, ..., colour].numpy(), expected, atol=1e-7)


def test_transparency_stays_as_it_is() -> None:
    image = Image(torch.rand(1, 6, 6, 4))
    found = morphed(image, "dilate", 3)
    assert torch.equal(found.pixels[..., 3], image.pixels[..., 3])


@pytest.mark.parametrize(("operation", "size"), [("melt", 3), ("erode", 0)])
def test_impossible_operations_are_refused(operation: Any, size: int) -> None:
    with pytest.raises(ValueRuleError, match="is not possible"):
        morphed(Image(torch.rand(1, 6, 6, 3)), operation, size)
