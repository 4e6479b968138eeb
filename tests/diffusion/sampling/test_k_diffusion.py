"""Samplers and spacings against k-diffusion's, on data from two Gaussians; see tests/golden/README.md.

Both sides compute in float64. Differences stay in two places: noise of a Brownian path is float32, and `dpmpp_sde`
looks it up at a level that it rounds itself (see there), which is seen where the path is steep.
"""

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from nodeflow.diffusion.batches import fresh_items
from nodeflow.diffusion.sampling import spacings
from nodeflow.diffusion.sampling.noise import ItemNoise
from nodeflow.diffusion.sampling.table import builtin_table
from tests.golden.k_diffusion import CASES, NUMBERS, SEED, SHAPE, SPACINGS, levels, mixture, start

TOLERANCE = {"dpmpp_sde": 1e-4, "dpmpp_2m_sde": 1e-7, "dpmpp_3m_sde": 1e-7}
"""Relative; where nothing is said, 1e-11."""


@pytest.fixture(scope="module")
def numbers() -> dict[str, Tensor]:
    return load_file(NUMBERS)


class InFloat64(ItemNoise):
    """The same noise in more digits."""

    def __call__(self) -> Tensor:
        return super().__call__().double()

    def between(self, high: float, low: float) -> Tensor:
        return super().between(high, low).double()


@pytest.mark.parametrize("case", CASES)
def test_a_sampler_agrees_with_k_diffusion(case: str, numbers: dict[str, Tensor]) -> None:
    name, steps, options = CASES[case]
    sigmas = levels(name, steps)
    noise = InFloat64(SEED, fresh_items(SHAPE[0]), SHAPE[1:], ends=(float(sigmas[-2]), float(sigmas[0])))
    *_, last = builtin_table().sampler(name).solve(mixture, start(steps), sigmas, noise, **options)
    expected = numbers[f"sample.{case}"]
    error = float((last.x - expected).norm() / expected.norm())
    assert error < TOLERANCE.get(name, 1e-11)


@pytest.mark.parametrize("case", SPACINGS)
def test_a_spacing_agrees_with_k_diffusion(case: str, numbers: dict[str, Tensor]) -> None:
    name, given = SPACINGS[case]
    found = getattr(spacings, name)(**given)
    torch.testing.assert_close(found.double(), numbers[f"spacing.{case}"], rtol=5e-6, atol=0)
