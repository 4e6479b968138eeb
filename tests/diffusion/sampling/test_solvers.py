"""Samplers as mathematics: on data whose best denoiser is known in closed form.

If all data are N(0, 1), the best denoiser is x / (1 + sigma^2), and the exact path of the probability flow from x at
level s to level t is x sqrt((1 + t^2) / (1 + s^2)).
"""

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from nodeflow.diffusion.errors import ValueRuleError
from nodeflow.diffusion.sampling.prediction import flow_levels
from nodeflow.diffusion.sampling.solvers.dpm2 import dpm_2, dpm_2_ancestral
from nodeflow.diffusion.sampling.solvers.dpm_adaptive import dpm_adaptive
from nodeflow.diffusion.sampling.solvers.dpm_fast import dpm_fast, fast_orders
from nodeflow.diffusion.sampling.solvers.dpmpp_2m import dpmpp_2m, dpmpp_2m_sde
from nodeflow.diffusion.sampling.solvers.dpmpp_2s import dpmpp_2s_ancestral
from nodeflow.diffusion.sampling.solvers.dpmpp_3m import dpmpp_3m_sde
from nodeflow.diffusion.sampling.solvers.dpmpp_sde import dpmpp_sde
from nodeflow.diffusion.sampling.solvers.euler import euler, euler_ancestral, euler_ancestral_flow
from nodeflow.diffusion.sampling.solvers.heun import heun, heunpp2
from nodeflow.diffusion.sampling.solvers.ipndm import ADAMS_BASHFORTH
from nodeflow.diffusion.sampling.solvers.lms import adams_weights, lms
from nodeflow.diffusion.sampling.solvers.step import Sampler, ancestral_split

HIGH, LOW = 2.0, 0.1


def gaussian(x: Tensor, sigma: Tensor) -> Tensor:
    return x / (1 + sigma[:, None, None, None].to(x.dtype) ** 2)


class Silence:
    """No noise, and none that a deterministic sampler draws."""

    def __call__(self) -> Tensor:
        raise AssertionError("a deterministic sampler draws no noise")

    def between(self, high: float, low: float) -> Tensor:
        return torch.zeros(1, 1, 1, 1, dtype=torch.float64)


silence = Silence()


def clusters(x: Tensor, sigma: Tensor) -> Tensor:
    """The best denoiser of data at -1 and 1, with variance 1/4 around each."""
    level = sigma[:, None, None, None].to(x.dtype)
    variance = 0.25 + level**2
    return (level**2 * torch.tanh(x / variance) + 0.25 * x) / variance


def falling(steps: int) -> Tensor:
    return torch.exp(torch.linspace(math.log(HIGH), math.log(LOW), steps + 1, dtype=torch.float64))


def error(sampler: Sampler, steps: int, **options: Any) -> float:
    *_, last = sampler(gaussian, torch.ones(1, 1, 1, 1, dtype=torch.float64), falling(steps), silence, **options)
    return abs(float(last.x) - math.sqrt((1 + LOW**2) / (1 + HIGH**2)))


def arrived(sampler: Sampler, steps: int, **options: Any) -> float:
    start = torch.full((1, 1, 1, 1), 0.7, dtype=torch.float64)
    *_, last = sampler(clusters, start, falling(steps), Zeros(), **options)
    return float(last.x)


class Zeros(Silence):
    """Some draw even where they add none of it."""

    def __call__(self) -> Tensor:
        return torch.zeros(1, 1, 1, 1, dtype=torch.float64)


ORDERS: tuple[tuple[Sampler, dict[str, Any], int], ...] = (
    (euler, {}, 1),
    (euler_ancestral, {"eta": 0.0}, 1),
    (heun, {}, 2),
    (dpm_2, {}, 2),
    (dpm_2_ancestral, {"eta": 0.0}, 2),
    (lms, {"order": 1}, 1),
    (lms, {"order": 2}, 2),
    (lms, {}, 2),  # its first step is Euler's, and the error of that stays
    (dpm_fast, {}, 2),  # of third order but for the last steps, which decide
    (dpmpp_2s_ancestral, {"eta": 0.0}, 2),
    (dpmpp_sde, {"eta": 0.0}, 2),
    (dpmpp_sde, {"eta": 0.0, "r": 0.3}, 2),
    (dpmpp_2m, {}, 2),
    (dpmpp_2m_sde, {"eta": 0.0}, 2),
    (dpmpp_2m_sde, {"eta": 0.0, "solver_type": "heun"}, 2),
    (dpmpp_3m_sde, {"eta": 0.0}, 2),
)


@pytest.mark.parametrize(("sampler", "options", "order"), ORDERS)
def test_the_error_falls_by_the_order_of_the_method(sampler: Sampler, options: dict[str, Any], order: int) -> None:
    exact = arrived(heun, 1500)
    errors = [abs(arrived(sampler, steps, **options) - exact) for steps in (60, 120)]
    assert math.log2(errors[0] / errors[1]) == pytest.approx(order, abs=0.25)


@pytest.mark.parametrize("sampler", [euler, dpmpp_2m])
def test_the_error_falls_by_the_order_on_gaussian_data_too(sampler: Sampler) -> None:
    order = {euler: 1, dpmpp_2m: 2}[sampler]
    assert error(sampler, 100) / error(sampler, 200) == pytest.approx(2**order, rel=0.1)


@pytest.mark.parametrize("order", [2, 3])
def test_steps_that_adapt_keep_the_error_they_are_allowed(order: int) -> None:
    loose = error(dpm_adaptive, 1, order=order, rtol=0.05, atol=0.01)
    strict = error(dpm_adaptive, 1, order=order, rtol=0.0005, atol=0.0001)
    assert loose < 0.01
    assert strict < 0.0002


STEPPING = (euler, heun, heunpp2, dpm_2, lms, dpmpp_2m, dpmpp_2m_sde, dpmpp_3m_sde, dpmpp_sde)


@pytest.mark.parametrize("sampler", STEPPING)
def test_a_step_to_zero_ends_at_the_denoised_picture(sampler: Sampler) -> None:
    x = torch.tensor([[[[3.0]]]])
    *_, last = sampler(gaussian, x, torch.tensor([2.0, 1.0, 0.0]), silence)
    torch.testing.assert_close(last.x, last.denoised)


@pytest.mark.parametrize("sampler", [*STEPPING, euler_ancestral, dpm_2_ancestral, dpmpp_2s_ancestral])
def test_one_step_to_zero_works_in_every_sampler(sampler: Sampler) -> None:
    (only,) = sampler(gaussian, torch.tensor([[[[3.0]]]]), torch.tensor([2.0, 0.0]), silence)
    assert float(only.x) == pytest.approx(0.6)
    assert only.sigma == 2.0


@pytest.mark.parametrize("sampler", [dpm_fast, dpm_adaptive])
def test_what_ends_at_the_lowest_level_above_zero_has_nowhere_to_go_in_one_step(sampler: Sampler) -> None:
    (only,) = sampler(gaussian, torch.tensor([[[[3.0]]]]), torch.tensor([2.0, 0.0]), silence)
    assert float(only.x) == pytest.approx(3.0)
    assert float(only.denoised) == pytest.approx(0.6)


def test_the_ancestral_split_keeps_the_variance() -> None:
    down, up = ancestral_split(2.0, 1.5)
    assert down**2 + up**2 == pytest.approx(1.5**2)
    assert ancestral_split(2.0, 0.0) == (0.0, 0.0)
    assert ancestral_split(2.0, 1.5, eta=0.0) == (1.5, 0.0)


def test_a_level_that_is_all_noise_is_reached_without_descent() -> None:
    # So much noise is asked for that the step goes down to 0; then it is the picture, and no noise at all.
    sigmas = torch.tensor([2.0, 1.5, 0.0])
    first, _ = euler_ancestral(gaussian, torch.tensor([[[[3.0]]]]), sigmas, silence, eta=5.0)
    assert float(first.x) == pytest.approx(0.6)


def drawn(noises: list[float]) -> Callable[[], Tensor]:
    draws = iter(noises)
    return lambda: torch.full((1, 1, 1, 1), next(draws), dtype=torch.float64)


@pytest.mark.parametrize("sampler", [euler, heun, heunpp2, dpm_2])
def test_churn_passes_over_the_noise_that_the_run_began_with(sampler: Sampler) -> None:
    # An empty picture: the raised level is what the slope is divided by, and the noise stays in proportion.
    def empty(x: Tensor, _sigma: Tensor) -> Tensor:
        return torch.zeros_like(x)

    start = torch.full((1, 1, 1, 1), 2.0, dtype=torch.float64)
    sigmas = torch.tensor([2.0, 1.0], dtype=torch.float64)
    (only,) = sampler(empty, start, sigmas, drawn([99.0, 0.5]), s_churn=0.25, s_noise=2.0)
    churned = 2.0 + math.sqrt(2.5**2 - 2.0**2) * 0.5 * 2.0
    assert float(only.x) == pytest.approx(churned / 2.5)


def test_churn_is_left_out_where_levels_are_beyond_its_range() -> None:
    plain, churned = (
        list(euler(gaussian, torch.ones(1, 1, 1, 1), torch.tensor([2.0, 1.0, 0.5]), drawn([0.0]), **options))
        for options in ({}, {"s_churn": 1.0, "s_tmin": 3.0})
    )
    assert [float(move.x) for move in plain] == [float(move.x) for move in churned]


def test_heunpp_weighs_its_three_slopes_by_their_levels() -> None:
    levels = [2.0, 1.2, 0.7, 0.3]
    start = torch.full((1, 1, 1, 1), 0.7, dtype=torch.float64)

    def slope(x: Tensor, level: float) -> Tensor:
        return (x - clusters(x, torch.full((1,), level, dtype=torch.float64))) / level

    one = slope(start, 2.0)
    second = start + one * (1.2 - 2.0)
    two = slope(second, 1.2)
    three = slope(second + two * (0.7 - 1.2), 0.7)
    first = start + (1.2 - 2.0) * ((1 - 1.2 / 6 - 0.7 / 6) * one + 1.2 / 6 * two + 0.7 / 6 * three)
    two = slope(first, 1.2)
    three = slope(first + two * (0.7 - 1.2), 0.7)
    next_one = first + (0.7 - 1.2) * ((1 - 0.7 / 4) * two + 0.7 / 4 * three)
    last = next_one + (0.3 - 0.7) * slope(next_one, 0.7)
    moves = list(heunpp2(clusters, start, torch.tensor(levels, dtype=torch.float64), silence))
    for move, expected in zip(moves, (first, next_one, last), strict=True):
        torch.testing.assert_close(move.x, expected)


@pytest.mark.parametrize("order", [1, 2, 3, 4])
def test_linear_multistep_has_the_weights_of_adams_and_bashforth_on_even_steps(order: int) -> None:
    weights = adams_weights([2.0 + 0.5 * before for before in range(order)], 1.5)
    assert weights == pytest.approx([-0.5 * weight for weight in ADAMS_BASHFORTH[order - 1]])


def test_linear_multistep_weights_are_exact_for_cubics_on_uneven_steps() -> None:
    known, level = [2.0, 2.7, 4.1, 8.0], 1.1
    for power in range(4):
        found = sum(weight * at**power for weight, at in zip(adams_weights(known, level), known, strict=True))
        assert found == pytest.approx((level ** (power + 1) - 2.0 ** (power + 1)) / (power + 1))


@pytest.mark.parametrize("evaluations", range(1, 13))
def test_the_fast_solver_evaluates_as_often_as_there_are_steps(evaluations: int) -> None:
    assert sum(fast_orders(evaluations)) == evaluations
    assert fast_orders(evaluations)[-1] < 3
    sigmas = torch.cat([torch.linspace(2.0, 0.1, evaluations), torch.zeros(1)])
    moves = list(dpm_fast(gaussian, torch.ones(1, 1, 1, 1), sigmas, silence))
    assert len(moves) == evaluations


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"order": 4}, "dpm_adaptive: order 4 is not 2 or 3"),
        ({"h_init": 0.0}, "h_init 0 is not above 0"),
        ({"rtol": 0.0, "atol": 0.0}, "rtol and atol allow no error at all"),
        ({"accept_safety": 9.0}, "no step from sigma 2 is good enough for rtol 0.05, atol 0.0078 and accept_safety 9"),
        ({"h_init": 1e-30, "icoeff": 0.0, "order": 2}, "10000 steps from h_init 1e-30 came no farther than sigma 2; a"),
    ],
)
def test_steps_that_cannot_adapt_are_told(options: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueRuleError, match=told):
        list(dpm_adaptive(gaussian, torch.ones(1, 1, 1, 1), torch.tensor([2.0, 0.1, 0.0]), silence, **options))


def test_a_rejected_step_is_tried_again_from_the_picture_that_is_known() -> None:
    seen: list[float] = []

    def watched(x: Tensor, sigma: Tensor) -> Tensor:
        seen.append(float(sigma[0]))
        return clusters(x, sigma)

    start = torch.full((1, 1, 1, 1), 0.7, dtype=torch.float64)
    sigmas = torch.tensor([2.0, 0.1, 0.0], dtype=torch.float64)
    moves = list(dpm_adaptive(watched, start, sigmas, silence, h_init=3.0, rtol=0.001, atol=0.0001))
    assert [seen.count(move.sigma) for move in moves] == [1] * len(moves)
    assert len(seen) > 3 * len(moves)  # some were rejected


def test_a_controller_of_any_strength_finishes() -> None:
    strong = {"pcoeff": 100.0, "icoeff": 100.0, "dcoeff": 100.0}
    *_, last = dpm_adaptive(gaussian, torch.ones(1, 1, 1, 1), torch.tensor([2.0, 0.1, 0.0]), silence, **strong)
    assert bool(last.x.isfinite().all())


def test_options_that_make_no_step_are_told() -> None:
    x, sigmas = torch.ones(1, 1, 1, 1), torch.tensor([2.0, 1.0])
    with pytest.raises(ValueRuleError, match="r 0 is not above 0"):
        next(dpmpp_sde(gaussian, x, sigmas, silence, r=0.0))
    with pytest.raises(ValueRuleError, match="solver_type 'euler' is unknown; there are midpoint and heun"):
        next(dpmpp_2m_sde(gaussian, x, sigmas, silence, solver_type="euler"))  # type: ignore[arg-type]


def flowing(x: Tensor, sigma: Tensor) -> Tensor:
    """The best denoiser of data N(0, 1) in a flow."""
    level = sigma[:, None, None, None].to(x.dtype)
    return (1 - level) * x / ((1 - level) ** 2 + level**2)


def test_euler_ancestral_for_flows_keeps_the_variance_of_gaussian_data() -> None:
    generator = torch.Generator().manual_seed(0)
    shape = (20_000, 1, 1, 1)
    sigmas = torch.linspace(flow_levels().sigma_max, 0.1, 120)
    start = torch.randn(shape, generator=generator)
    *_, last = euler_ancestral_flow(flowing, start, sigmas, lambda: torch.randn(shape, generator=generator))
    assert float(last.x.var()) == pytest.approx(0.9**2 + 0.1**2, rel=0.05)


def test_euler_ancestral_for_flows_is_euler_without_noise() -> None:
    sigmas, start = torch.linspace(1.0, 0.0, 9), torch.ones(1, 1, 1, 1)
    for move, plain in zip(
        euler_ancestral_flow(flowing, start, sigmas, silence, eta=0.0),
        euler(flowing, start, sigmas, silence),
        strict=True,
    ):
        torch.testing.assert_close(move.x, plain.x, rtol=1e-5, atol=1e-6)


def test_ancestral_sampling_of_gaussian_data_keeps_their_variance() -> None:
    # 20,000 samples tell a variance to 1 % (one standard deviation); 120 steps bring the method's own error below that.
    generator = torch.Generator().manual_seed(0)
    shape = (20_000, 1, 1, 1)
    sigmas = torch.exp(torch.linspace(math.log(20.0), math.log(0.05), 120))
    start = torch.randn(shape, generator=generator) * math.sqrt(1 + 20.0**2)
    *_, last = euler_ancestral(gaussian, start, sigmas, lambda: torch.randn(shape, generator=generator))
    assert float(last.x.var()) == pytest.approx(1 + 0.05**2, rel=0.05)
