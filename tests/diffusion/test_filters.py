"""Blur and sharpening against scipy and Pillow, grain against its statistics."""

import numpy as np
import pytest
import torch
from PIL import Image as Pillow
from PIL import ImageFilter
from scipy import ndimage

from nodeflow.diffusion.errors import ValueRuleError
from nodeflow.diffusion.filters import blurred, grained, sharpened
from nodeflow.diffusion.images import from_uint8, to_uint8
from nodeflow.diffusion.types import Image, Item


def picture(rows: int = 2, height: int = 40, width: int = 36, channels: int = 3) -> Image:
    return Image(torch.rand(rows, height, width, channels, generator=torch.Generator().manual_seed(5)))


def by_scipy(image: Image, radius: int, sigma: float) -> "np.ndarray[tuple[int, ...], np.dtype[np.float32]]":
    """The blur by an independent implementation, whose mirror leaves the edge pixel single too."""
    return ndimage.gaussian_filter(image.pixels.numpy(), sigma * radius, axes=(1, 2), radius=radius, mode="mirror")


@pytest.mark.parametrize(("radius", "sigma"), [(1, 1.0), (3, 0.5), (5, 10.0), (31, 0.3), (31, 0.1)])
def test_the_blur_is_a_gaussian_whose_width_is_told_in_radii(radius: int, sigma: float) -> None:
    image = picture()
    assert np.allclose(blurred(image, radius, sigma).pixels.numpy(), by_scipy(image, radius, sigma), atol=2e-6)


@pytest.mark.parametrize(("radius", "sigma", "alpha"), [(1, 1.0, 1.0), (2, 0.5, 0.1), (31, 1.0, 5.0), (3, 1.0, 0.0)])
def test_sharpening_takes_the_blur_away_ten_times(radius: int, sigma: float, alpha: float) -> None:
    image = picture()
    pixels = image.pixels.numpy()
    expected = pixels + 10 * alpha * (pixels - by_scipy(image, radius, sigma))
    assert np.allclose(sharpened(image, radius, sigma, alpha).pixels.numpy(), expected.clip(0, 1), atol=2e-4)


def test_a_tenth_is_the_unsharp_mask_of_pillow() -> None:
    y, x = np.mgrid[0:60, 0:60]
    grey = (128 + 60 * np.sin(x / 6) * np.cos(y / 5)).astype(np.uint8)
    bytes_ = np.stack([grey] * 3, axis=-1)
    mask = ImageFilter.UnsharpMask(radius=2, percent=100, threshold=0)
    expected = np.asarray(Pillow.fromarray(bytes_).filter(mask)).astype(int)
    found = to_uint8(sharpened(from_uint8([bytes_]), 10, 0.2, 0.1))[0].astype(int)  # a Gaussian of two pixels
    assert np.abs(found - expected)[10:-10, 10:-10].max() <= 2  # Pillow's is made of box filters, in bytes


@pytest.mark.parametrize("change", [lambda x: blurred(x, 2, 1.0), lambda x: sharpened(x, 2, 1.0, 1.0)])
def test_a_plain_picture_stays_as_it_is_up_to_its_edges(change: object) -> None:
    image = Image(torch.full((1, 9, 9, 3), 0.25))
    assert callable(change)
    assert torch.allclose(change(image).pixels, image.pixels, atol=1e-5)


def test_transparency_and_items_are_kept() -> None:
    image = Image(picture(2, channels=4).pixels, (Item(0, 3), Item(2, 3)))
    for found in (blurred(image, 2, 1.0), sharpened(image, 2, 1.0, 1.0), grained(image, 0, 0.5)):
        assert torch.equal(found.pixels[..., 3], image.pixels[..., 3])
        assert found.items == image.items


@pytest.mark.parametrize("size", [(5, 9), (9, 5)])
def test_a_radius_as_large_as_a_side_is_refused(size: tuple[int, int]) -> None:
    image = Image(torch.zeros(1, *size, 3))
    for change in (lambda: blurred(image, 5, 1.0), lambda: sharpened(image, 5, 1.0, 1.0)):
        with pytest.raises(ValueRuleError, match=r"radius 5 does not fit into .* below both sides"):
            change()


def test_grain_is_normal_noise_of_the_seed() -> None:
    image = Image(torch.full((4, 50, 50, 3), 0.5))
    found = grained(image, 7, 0.1)
    expected = 0.5 + 0.1 * torch.randn(4, 50, 50, 3, generator=torch.Generator().manual_seed(7))
    assert torch.equal(found.pixels, expected.clamp(0, 1))
    assert (found.pixels - 0.5).std().item() == pytest.approx(0.1, rel=0.02)
    assert not torch.equal(found.pixels, grained(image, 8, 0.1).pixels)


def test_a_picture_alone_gets_the_grain_it_has_in_its_batch() -> None:
    image = picture(5)
    whole = grained(image, 3, 0.5)
    assert torch.equal(grained(image.select([3, 1]), 3, 0.5).pixels, whole.pixels[[3, 1]])


def test_without_strength_nothing_changes() -> None:
    image = picture()
    assert torch.equal(grained(image, 3, 0.0).pixels, image.pixels)


@pytest.mark.parametrize(("rows", "side"), [(1, 1), (2, 1), (17, 1), (17, 2), (37, 3), (40, 8)])
def test_grain_is_that_of_the_whole_batch_drawn_at_once(rows: int, side: int) -> None:
    whole = torch.randn((rows, side, side, 3), generator=torch.Generator().manual_seed(5))
    batch = Image(torch.full((rows, side, side, 3), 0.5))
    assert torch.equal(grained(batch, 5, 0.01).pixels, (0.5 + 0.01 * whole).clamp(0.0, 1.0))
    assert torch.equal(grained(batch.select([rows - 1]), 5, 0.01).pixels, grained(batch, 5, 0.01).pixels[-1:])


def test_the_first_picture_of_a_batch_that_no_memory_holds_gets_its_grain() -> None:
    one = Image(torch.full((1, 8, 8, 3), 0.5), (Item(0, 10**12),))
    assert len(grained(one, 5, 0.1).pixels.unique()) > 100
