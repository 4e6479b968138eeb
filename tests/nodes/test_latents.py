"""Empty latents and their resizing."""

import pytest
import torch

from nodeflow.api import InputError
from nodeflow.diffusion.latent_formats import SD1
from nodeflow.diffusion.types import Item, Latent
from nodeflow_nodes.latents import empty_latent, latent_upscale_by


def test_an_empty_latent_has_one_cell_for_eight_pixels() -> None:
    latent = empty_latent(64, 128, 3)
    assert latent.samples.shape == (3, 4, 16, 8)
    assert not latent.samples.any()
    assert latent.items == (Item(0, 3), Item(1, 3), Item(2, 3))


def test_a_size_between_cells_is_refused_with_the_nearest_one() -> None:
    with pytest.raises(InputError, match=r"^width: .*multiple of 8; try 104"):
        empty_latent(100, 128)


def test_upscaling_keeps_format_and_items_and_leaves_the_input_alone() -> None:
    before = torch.randn(1, 4, 4, 6)
    latent = Latent(before.clone(), SD1, (Item(1, 3),))
    larger = latent_upscale_by(latent, "bicubic", 1.5)
    assert larger.samples.shape == (1, 4, 6, 9)
    assert (larger.format, larger.items) == (SD1, (Item(1, 3),))
    assert torch.equal(latent.samples, before)


def test_a_latent_cannot_shrink_to_nothing() -> None:
    with pytest.raises(InputError, match=r"^scale_by: .*0 x 0 cells"):
        latent_upscale_by(empty_latent(16, 16), scale_by=0.01)
