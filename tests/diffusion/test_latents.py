"""Empty latents, and latents of other sizes."""

import pytest
import torch

from nodeflow.diffusion.errors import ValueRuleError
from nodeflow.diffusion.latent_formats import SD1
from nodeflow.diffusion.latents import LatentMethod, empty_latent, resize_latent, upscale_latent
from nodeflow.diffusion.types import Item, Latent


def test_an_empty_latent_fits_any_model_of_its_channels() -> None:
    latent = empty_latent(64, 32, 3)
    assert latent.samples.shape == (3, 4, 4, 8)
    assert float(latent.samples.abs().sum()) == 0
    assert latent.format is None
    assert latent.items[2] == Item(2, 3)
    assert empty_latent(8, 8, channels=16).samples.shape == (1, 16, 1, 1)


@pytest.mark.parametrize(
    ("size", "message"),
    [
        ((65, 64, 1), "width 65 is no multiple of 8; try 64"),
        ((64, 500, 1), "height 500 is no multiple of 8; try 504"),
        ((0, 64, 1), "width 0 is no multiple of 8; try 8"),
        ((64, 64, 0), "0 rows"),
    ],
)
def test_impossible_sizes_are_refused(size: tuple[int, int, int], message: str) -> None:
    with pytest.raises(ValueRuleError, match=message):
        empty_latent(*size)


@pytest.mark.parametrize("method", ["nearest-exact", "bilinear", "area", "bicubic"])
def test_a_latent_is_scaled_and_stays_what_it_is(method: LatentMethod) -> None:
    latent = Latent(torch.full((2, 4, 4, 6), 3.0), SD1, (Item(4, 9), Item(7, 9)))
    larger = upscale_latent(latent, 1.5, method)
    assert larger.samples.shape == (2, 4, 6, 9)
    assert torch.allclose(larger.samples, torch.tensor(3.0))
    assert (larger.format, larger.items) == (SD1, latent.items)
    assert resize_latent(latent, 87, 40, method).samples.shape == (2, 4, 5, 10)


@pytest.mark.parametrize("factor", [0.0, -1.0, float("nan"), float("inf"), 0.01])
def test_impossible_factors_are_refused(factor: float) -> None:
    with pytest.raises(ValueRuleError):
        upscale_latent(empty_latent(64, 64), factor)


def test_an_unknown_method_is_refused() -> None:
    with pytest.raises(ValueRuleError, match="'lanczos' is unknown; there are nearest-exact, bilinear"):
        upscale_latent(empty_latent(64, 64), 2, "lanczos")  # type: ignore[arg-type]
