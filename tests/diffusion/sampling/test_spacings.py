"""Noise levels by formula."""

import math
from collections.abc import Callable

import pytest
import torch
from scipy import stats
from torch import Tensor

from nodeflow.diffusion.errors import ValueRuleError
from nodeflow.diffusion.sampling.spacings import exponential, karras, kl_optimal, laplace, polyexponential, vp

ENDED = (karras, exponential, polyexponential, kl_optimal)


@pytest.mark.parametrize("spacing", ENDED)
@pytest.mark.parametrize("n", [1, 2, 3, 200])
def test_a_spacing_falls_from_one_end_to_the_other_and_then_to_zero(spacing: Callable[..., Tensor], n: int) -> None:
    sigmas = spacing(n, 0.03, 14.6)
    assert len(sigmas) == n + 1
    assert float(sigmas[0]) == pytest.approx(14.6, rel=1e-5)
    assert bool((sigmas.diff() < 0).all())
    assert float(sigmas[-1]) == 0
    if n > 1:
        assert float(sigmas[-2]) == pytest.approx(0.03, rel=1e-4)


def test_karras_spacing_is_linear_in_its_root() -> None:
    roots = karras(9, 0.03, 14.6, rho=3.0)[:-1].double() ** (1 / 3)
    assert float(roots.diff().std()) < 1e-6


def test_exponential_levels_have_equal_ratios() -> None:
    torch.testing.assert_close(exponential(5, 0.01, 100.0), torch.tensor([100.0, 10.0, 1.0, 0.1, 0.01, 0.0]))


def test_polyexponential_levels_are_a_power_of_a_line_in_log_sigma() -> None:
    expected = [math.exp(share**2 * math.log(100 / 0.01) + math.log(0.01)) for share in (1, 0.75, 0.5, 0.25, 0)]
    torch.testing.assert_close(polyexponential(5, 0.01, 100.0, rho=2.0), torch.tensor([*expected, 0.0]))


def test_kl_optimal_levels_have_equal_angles() -> None:
    angles = kl_optimal(7, 0.03, 14.6)[:-1].double().atan()
    assert float(angles.diff().std()) < 1e-6


def test_laplace_levels_are_the_quantiles_of_a_laplace_distribution() -> None:
    quantiles = stats.laplace.ppf([0.75, 0.5, 0.25], loc=0.5, scale=2.0)
    found = laplace(5, 1e-3, 1e3, mu=0.5, beta=2.0)
    torch.testing.assert_close(found[1:-1].log(), torch.tensor(quantiles).float(), rtol=0, atol=1e-4)
    assert (float(found[0]), float(found[-1])) == (pytest.approx(1e3), pytest.approx(1e-3))
    assert len(laplace(1, 0.1, 1.0)) == 1


def test_the_variance_preserving_process_has_the_levels_of_its_integral() -> None:
    time = 0.5005  # the middle one of three
    grown = 0.1 * time + 19.9 * time**2 / 2
    assert float(vp(3)[1]) == pytest.approx(math.sqrt(math.exp(grown) - 1), rel=1e-6)
    assert float(vp(3)[-1]) == 0


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        (lambda: karras(5, 0.0, 14.6), "sigma_min 0 is not above 0; the step to 0 is added by itself"),
        (lambda: exponential(5, -1.0, 14.6), "sigma_min -1 is not above 0"),
        (lambda: kl_optimal(5, 3.0, 2.0), "sigma_max 2 is below sigma_min 3"),
        (lambda: laplace(5, 0.1, math.inf), "sigma_max inf is below sigma_min 0.1 or not finite"),
        (lambda: karras(5, 0.1, 1.0, rho=0.0), "rho 0 is not above 0"),
        (lambda: polyexponential(0, 0.1, 1.0), "steps 0 is below 1"),
        (lambda: vp(5, beta_d=5000.0), "vp: beta_d 5000, beta_min 0.1 and eps_s 0.001 give a noise level"),
        (lambda: vp(5, beta_min=0.0, eps_s=0.0), "give a noise level that is 0 or not finite; usual are"),
    ],
)
def test_what_cannot_be_levels_is_refused(asked: Callable[[], Tensor], told: str) -> None:
    with pytest.raises(ValueRuleError, match=told):
        asked()
