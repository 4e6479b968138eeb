"""Samplers as mathematics: on data whose best denoiser is known in closed form.

If all data are N(0, 1), the best denoiser is x / (1 + sigma^2), and the exact path of the probability flow from x at
level s to level t is x sqrt((1 + t^2) / (1 + s^2)).
"""

import math

import pytest
import torch
from torch import Tensor

from nodeflow.diffusion.sampling.solvers.dpmpp_2m import dpmpp_2m
from nodeflow.diffusion.sampling.solvers.euler import euler, euler_ancestral
from nodeflow.diffusion.sampling.solvers.step import Sampler, ancestral_split

HIGH, LOW = 2.0, 0.1


def gaussian(x: Tensor, sigma: Tensor) -> Tensor:
    return x / (1 + sigma[:, None, None, None].to(x.dtype) ** 2)


def silence() -> Tensor:
    raise AssertionError("a deterministic sampler draws no noise")


def error(sampler: Sampler, steps: int) -> float:
    sigmas = torch.exp(torch.linspace(math.log(HIGH), math.log(LOW), steps + 1, dtype=torch.float64))
    *_, last = sampler(gaussian, torch.ones(1, 1, 1, 1, dtype=torch.float64), sigmas, silence)
    return abs(float(last.x) - math.sqrt((1 + LOW**2) / (1 + HIGH**2)))


@pytest.mark.parametrize(("sampler", "order"), [(euler, 1), (dpmpp_2m, 2)])
def test_the_error_falls_by_the_order_of_the_method(sampler: Sampler, order: int) -> None:
    assert error(sampler, 100) / error(sampler, 200) == pytest.approx(2**order, rel=0.1)


@pytest.mark.parametrize("sampler", [euler, dpmpp_2m])
def test_a_step_to_zero_ends_at_the_denoised_picture(sampler: Sampler) -> None:
    x = torch.tensor([[[[3.0]]]])
    *_, last = sampler(gaussian, x, torch.tensor([2.0, 1.0, 0.0]), silence)
    torch.testing.assert_close(last.x, last.denoised)


def test_one_step_to_zero_works_in_every_sampler() -> None:
    x = torch.tensor([[[[3.0]]]])
    for sampler in (euler, dpmpp_2m, euler_ancestral):
        (only,) = sampler(gaussian, x, torch.tensor([2.0, 0.0]), silence)
        assert float(only.x) == pytest.approx(0.6)
        assert only.sigma == 2.0


def test_the_ancestral_split_keeps_the_variance() -> None:
    down, up = ancestral_split(2.0, 1.5)
    assert down**2 + up**2 == pytest.approx(1.5**2)
    assert ancestral_split(2.0, 0.0) == (0.0, 0.0)
    assert ancestral_split(2.0, 1.5, eta=0.0) == (1.5, 0.0)


def test_ancestral_sampling_of_gaussian_data_keeps_their_variance() -> None:
    # 20,000 samples tell a variance to 1 % (one standard deviation); 120 steps bring the method's own error below that.
    generator = torch.Generator().manual_seed(0)
    shape = (20_000, 1, 1, 1)
    sigmas = torch.exp(torch.linspace(math.log(20.0), math.log(0.05), 120))
    start = torch.randn(shape, generator=generator) * math.sqrt(1 + 20.0**2)
    *_, last = euler_ancestral(gaussian, start, sigmas, lambda: torch.randn(shape, generator=generator))
    assert float(last.x.var()) == pytest.approx(1 + 0.05**2, rel=0.05)
