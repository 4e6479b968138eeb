"""A glance at a latent."""

import torch

from nodeflow.diffusion.latent_formats import SD1, LatentFormat, anchored_preview
from nodeflow.diffusion.preview import preview
from nodeflow.diffusion.types import Item, Latent


def test_a_preview_is_a_linear_map_of_the_first_row() -> None:
    samples = torch.zeros(2, 4, 3, 5)
    samples[0, 0] = 1 / SD1.scale  # one unit of the first channel in the network's space
    glance = preview(Latent(samples, SD1))
    assert glance is not None
    assert glance.pixels.shape == (1, 3, 5, 3)
    assert glance.items == (Item(0, 2),)
    expected = (torch.tensor([0.3512, 0.2297, 0.3227]) + 1) / 2
    torch.testing.assert_close(glance.pixels[0, 0, 0], expected)


def test_an_anchored_space_shows_half_of_its_first_three_channels() -> None:
    space = LatentFormat("anchored", scale=0.8, preview=anchored_preview(4, 0.8))
    glance = preview(Latent(torch.tensor([1.0, -2.0, 5.0, 9.0]).reshape(1, 4, 1, 1), space))
    assert glance is not None
    torch.testing.assert_close(glance.pixels.flatten(), torch.tensor([0.75, 0.0, 1.0]))


def test_an_unknown_space_has_no_preview() -> None:
    assert preview(Latent(torch.zeros(1, 4, 1, 1))) is None
    assert preview(Latent(torch.zeros(1, 4, 1, 1), LatentFormat("new"))) is None
