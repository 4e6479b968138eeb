"""Samplers that no library here has, against their papers: written again in the papers' variables, or in closed form.

The papers work on `z = alpha x` with `alpha^2 + (alpha sigma)^2 = 1`. Everything is float64, so that agreement is to
rounding (1e-9 relative); a wrong weight, order or noise is off by 1e-3 or more.
"""

import math
from collections.abc import Callable
from itertools import pairwise

import pytest
import torch
from scipy.integrate import quad
from torch import Tensor

from nodeflow.diffusion.errors import ValueRuleError
from nodeflow.diffusion.protocols import Both
from nodeflow.diffusion.sampling.solvers.deis import deis, polynomial_weights
from nodeflow.diffusion.sampling.solvers.er_sde import er_sde
from nodeflow.diffusion.sampling.solvers.exponential import exact_weights, phi
from nodeflow.diffusion.sampling.solvers.gradient_estimation import gradient_estimation, gradient_estimation_cfg_pp
from nodeflow.diffusion.sampling.solvers.ipndm import ADAMS_BASHFORTH, ipndm, ipndm_v, uneven_weights
from nodeflow.diffusion.sampling.solvers.lcm import lcm
from nodeflow.diffusion.sampling.solvers.res_multistep import res_multistep, res_multistep_cfg_pp
from nodeflow.diffusion.sampling.solvers.sa_solver import sa_solver
from nodeflow.diffusion.sampling.solvers.seeds import seeds_2, seeds_3
from nodeflow.diffusion.sampling.solvers.step import Sampler
from nodeflow.diffusion.sampling.solvers.uni_pc import uni_pc

LEVELS = (14.6, 6.9, 3.7, 2.2, 1.3, 0.7, 0.35, 0.1)
SIGMAS = torch.tensor(LEVELS, dtype=torch.float64)
SHAPE = (2, 3, 2, 2)


def two_clusters(x: Tensor, sigma: Tensor) -> Tensor:
    """The best denoiser of data at -1 and 1, each with variance 1/4."""
    level = sigma[:, None, None, None].to(x.dtype)
    variance = 0.25 + level**2
    return (level**2 * torch.tanh(x / variance) + 0.25 * x) / variance


class Sided:
    """A denoiser with a negative side that is half of it."""

    def __call__(self, x: Tensor, sigma: Tensor) -> Tensor:
        return two_clusters(x, sigma)

    def both(self, x: Tensor, sigma: Tensor) -> Both:
        return Both(two_clusters(x, sigma), two_clusters(x, sigma) / 2)


def picture(x: Tensor, sigma: float) -> Tensor:
    return two_clusters(x, torch.full((len(x),), sigma, dtype=x.dtype))


def start() -> Tensor:
    return torch.randn(SHAPE, generator=torch.Generator().manual_seed(3), dtype=torch.float64) * LEVELS[0]


def stream() -> Callable[[], Tensor]:
    generator = torch.Generator().manual_seed(8)
    return lambda: torch.randn(SHAPE, generator=generator, dtype=torch.float64)


def silence() -> Tensor:
    raise AssertionError("a deterministic sampler draws no noise")


def arrivals(sampler: Sampler, noise: Callable[[], Tensor] = silence, **options: float | str) -> list[Tensor]:
    return [move.x for move in sampler(two_clusters, start(), SIGMAS, noise, **options)]


def assert_close(found: list[Tensor], expected: list[Tensor]) -> None:
    assert len(found) == len(expected)
    for ours, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-9)


def alpha(sigma: float) -> float:
    return 1 / math.sqrt(1 + sigma**2)


@pytest.mark.parametrize("z", [-600.0, -5.0, -1.0, -0.999, -1e-3, 0.0, 0.5, 3.0])
@pytest.mark.parametrize("order", [0, 1, 2, 3, 6])
def test_phi_functions_are_their_integrals(order: int, z: float) -> None:
    if order == 0:
        assert phi(0, z) == pytest.approx(math.exp(z), rel=1e-12)
        return
    integral, _ = quad(lambda s: math.exp((1 - s) * z) * s ** (order - 1) / math.factorial(order - 1), 0, 1, limit=200)
    assert phi(order, z) == pytest.approx(integral, rel=1e-8)


def test_weights_are_exact_for_polynomials() -> None:
    nodes, moments = [1.0, 0.0, -0.7, -2.0], [1.0, 0.5, 1 / 3, 1 / 4]
    weights = exact_weights(nodes, moments)
    for power, moment in enumerate(moments):
        assert math.fsum(w * node**power for w, node in zip(weights, nodes, strict=True)) == pytest.approx(moment)


def test_lcm_of_a_consistency_function_gives_the_noise_back_to_every_level() -> None:
    # For N(0, 1) the way to 0 is x / sqrt(1 + sigma^2); each arrival is a clean sample and new noise.
    def consistent(x: Tensor, sigma: Tensor) -> Tensor:
        return x / (1 + sigma[:, None, None, None].to(x.dtype) ** 2).sqrt()

    x, noise = start(), stream()
    expected = []
    for sigma, sigma_next in pairwise(LEVELS):
        x = x * alpha(sigma) + sigma_next * noise()
        expected.append(x)
    assert_close([move.x for move in lcm(consistent, start(), SIGMAS, stream())], expected)


def test_ipndm_v_has_the_published_weights() -> None:
    # Computed with solvers.py of github.com/zju-pi/diff-sampler (Apache-2.0) at these levels.
    levels = [14.6146, 4.0861, 1.6156, 0.6952, 0.0292]
    assert uneven_weights(levels[:0:-1]) == pytest.approx((1.8381124601342125, -1.0155658939765637, 0.1774534338423513))
    fourth = (1.8826749032597774, -1.081061126531485, 0.1994024348528876, -0.0016134575180509851)
    assert uneven_weights(levels[::-1]) == pytest.approx(fourth)


@pytest.mark.parametrize("order", [1, 2, 3])
def test_ipndm_v_is_ipndm_where_steps_are_even(order: int) -> None:
    assert uneven_weights([1.0 + step for step in range(order + 1)]) == pytest.approx(ADAMS_BASHFORTH[order - 1])
    even = torch.linspace(9.0, 1.0, 9, dtype=torch.float64)
    ours, theirs = (list(each(two_clusters, start(), even, silence, max_order=order)) for each in (ipndm_v, ipndm))
    assert_close([move.x for move in ours], [move.x for move in theirs])


def test_deis_has_the_published_weights() -> None:
    # Computed with solver_utils.py of github.com/zju-pi/diff-sampler (Apache-2.0), in float64, at these levels.
    levels = [14.6146, 4.0861, 1.6156, 0.6952, 0.0292]
    published = [
        [-10.5285],
        [-3.3900507933018997, 0.9195203753119882],
        [-1.5647646498769854, 0.8928005543231587, -0.24844164467162014],
        [-1.3561485907191573, 0.9732198184722634, -0.28307469924128864],
    ]
    for index, weights in enumerate(published):
        known = levels[max(0, index - 2) : index + 1][::-1]
        assert polynomial_weights(known, levels[index + 1]) == pytest.approx(weights, rel=1e-9)


def test_deis_weights_are_integrals_of_lagrange_polynomials_in_time() -> None:
    # Time of the variance-preserving process of 2011.13456 that goes from 0.002 at 0.001 to 80 at 1. The sums over
    # 10,000 points are within 1e-4 of the integrals.
    low, high = math.log1p(0.002**2), math.log1p(80.0**2)
    rate = torch.linalg.solve(
        torch.tensor([[0.001, 0.001**2 / 2], [1.0, 0.5]], dtype=torch.float64),
        torch.tensor([low, high], dtype=torch.float64),
    ).tolist()

    def sigma_at(time: float) -> float:
        return math.sqrt(math.expm1(rate[0] * time + rate[1] * time**2 / 2))

    times = [0.9, 0.7, 0.45, 0.3]
    for node, weight in enumerate(polynomial_weights([sigma_at(time) for time in times[2::-1]], sigma_at(times[3]))):
        others = [time for time in times[:3] if time != times[2 - node]]

        def integrand(time: float, at: float = times[2 - node], others: list[float] = others) -> float:
            slope = (rate[0] + rate[1] * time) * (1 + sigma_at(time) ** 2) / (2 * sigma_at(time))
            return slope * math.prod((time - other) / (at - other) for other in others)

        integral, _ = quad(integrand, times[2], times[3])
        assert weight == pytest.approx(integral, rel=1e-4)


def test_deis_of_order_one_is_euler() -> None:
    expected, x = [], start()
    for sigma, sigma_next in pairwise(LEVELS):
        x = x + (sigma_next - sigma) * (x - picture(x, sigma)) / sigma
        expected.append(x)
    assert_close(arrivals(deis, max_order=1), expected)


@pytest.mark.parametrize("gamma", [1.0, 1.5, 2.0])
def test_gradient_estimation_steps_along_the_estimated_noise(gamma: float) -> None:
    x, noises, expected = start(), [], []
    for sigma, sigma_next in pairwise(LEVELS):
        noises.append((x - picture(x, sigma)) / sigma)
        estimate = noises[-1] if len(noises) == 1 else gamma * noises[-1] + (1 - gamma) * noises[-2]
        x = x + (sigma_next - sigma) * estimate
        expected.append(x)
    assert_close(arrivals(gradient_estimation, gamma=gamma), expected)


def test_gradient_estimation_with_cfgpp_keeps_the_noise_of_the_negative_side() -> None:
    x, noises, expected = start(), [], []
    for sigma, sigma_next in pairwise(LEVELS):
        guided = picture(x, sigma)
        noises.append((x - guided / 2) / sigma)
        momentum = noises[-1] - noises[-2] if len(noises) > 1 else 0.0
        x = guided + sigma_next * noises[-1] + (sigma_next - sigma) * momentum  # gamma 2: one difference more
        expected.append(x)
    found = gradient_estimation_cfg_pp(Sided(), start(), SIGMAS, silence)
    assert_close([move.x for move in found], expected)


@pytest.mark.parametrize(("solver", "reach"), [(res_multistep, 2), (sa_solver, 3)])
def test_exponential_multistep_is_exact_for_polynomials_in_the_log_level(solver: Sampler, reach: int) -> None:
    # A picture that is a polynomial in t = -log sigma, whatever x is; then dx/dt = D(t) - x, integrated numerically.
    # SA-Solver's predictor looks at three pictures; without corrector each arrival is its own.
    def at(t: float) -> float:
        return sum((power + 1) * t**power for power in range(reach))

    def moving(x: Tensor, sigma: Tensor) -> Tensor:
        return torch.full_like(x, at(-math.log(float(sigma[0]))))

    options = {} if solver is res_multistep else {"eta": 0.0, "corrector_order": 0}
    x = torch.ones(1, 1, 1, 1, dtype=torch.float64) * 14.6
    for index, move in enumerate(solver(moving, x, SIGMAS, silence, **options)):
        begin, end = -math.log(LEVELS[index]), -math.log(LEVELS[index + 1])
        gained, _ = quad(lambda t, end=end: math.exp(t - end) * at(t), begin, end)
        if index >= reach - 1:  # enough pictures are known
            assert float(move.x) == pytest.approx(math.exp(begin - end) * float(x) + gained, rel=1e-9)
        x = move.x


def test_sa_solver_ends_a_run_to_zero_with_lower_orders() -> None:
    sigmas = torch.tensor([*LEVELS, 0.0], dtype=torch.float64)
    moves = list(sa_solver(two_clusters, start(), sigmas, silence, eta=0.0, corrector_order=0))
    *_, first, second, third, last = moves  # of order 3, 2 and 1, and the picture
    h, h_before = math.log(second.sigma / third.sigma), math.log(first.sigma / second.sigma)
    slope = (second.denoised - first.denoised) * h / h_before
    gained = h * (phi(1, -h) * second.denoised + phi(2, -h) * slope)
    torch.testing.assert_close(second.x, math.exp(-h) * first.x + gained, rtol=1e-9, atol=1e-9)
    kept = LEVELS[-1] / LEVELS[-2]
    torch.testing.assert_close(third.x, kept * second.x + (1 - kept) * third.denoised, rtol=1e-9, atol=1e-9)
    assert torch.equal(last.x, last.denoised)


@pytest.mark.parametrize("eta", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("sided", [False, True])
def test_res_equals_its_paper_where_a_step_ends_before_its_noise_is_added(sided: bool, eta: float) -> None:
    x, noise, expected = start(), stream(), []
    history: tuple[Tensor, float] | None = None  # the picture before, and how far in t its step went
    for sigma, sigma_next in pairwise(LEVELS):
        guided = picture(x, sigma)
        along = guided / 2 if sided else guided
        up = eta * sigma_next * math.sqrt(1 - (sigma_next / sigma) ** 2)
        down = math.sqrt(sigma_next**2 - up**2)
        h = math.log(sigma / down)
        if history is None:
            x = guided + down * (x - along) / sigma
        else:
            before, length = history
            slope = (along - before) / (length / h)  # of the picture over this step
            x = math.exp(-h) * (x + guided - along) - math.expm1(-h) * along
            x = x + (1 + math.expm1(-h) / h) * slope
        x = x + up * noise() if eta else x
        history = along, h
        expected.append(x)
    solver = res_multistep_cfg_pp if sided else res_multistep
    found = [move.x for move in solver(Sided(), start(), SIGMAS, stream() if eta else silence, eta=eta)]
    assert_close(found, expected)


def er_sde_in_the_papers_variables(
    noise_scale: Callable[[float], float], max_stage: int, s_noise: float
) -> list[Tensor]:
    """Algorithms of 2309.06169 for variance-preserving models, on z = alpha x and lambda = sigma_z / alpha."""
    z, noise, expected = start() * alpha(LEVELS[0]), stream(), []
    pictures: list[Tensor] = []
    slopes: list[Tensor] = []
    for index, (level, level_next) in enumerate(pairwise(LEVELS)):
        a, a_next = alpha(level), alpha(level_next)
        lam, lam_next = (a * level) / a, (a_next * level_next) / a_next
        pictures.append(picture(z / a, level))
        ratio = noise_scale(lam_next) / noise_scale(lam)
        z = a_next / a * ratio * z + a_next * (1 - ratio) * pictures[-1]
        width = (lam - lam_next) / 200
        points = [lam_next + width * point for point in range(200)]
        if index >= 1 and max_stage >= 2:
            slopes.append((pictures[-1] - pictures[-2]) / (lam - LEVELS[index - 1]))
            area = sum(width / noise_scale(point) for point in points)
            z = z + a_next * (lam_next - lam + area * noise_scale(lam_next)) * slopes[-1]
        if index >= 2 and max_stage >= 3:
            bend = (slopes[-1] - slopes[-2]) / ((lam - LEVELS[index - 2]) / 2)
            area = sum(width * (point - lam) / noise_scale(point) for point in points)
            z = z + a_next * ((lam_next - lam) ** 2 / 2 + area * noise_scale(lam_next)) * bend
        stirred = lam_next**2 - (lam * ratio) ** 2
        if s_noise and stirred > 1e-12:
            z = z + a_next * s_noise * math.sqrt(stirred) * noise()
        expected.append(z / a_next)
    return expected


@pytest.mark.parametrize("max_stage", [1, 2, 3])
@pytest.mark.parametrize(
    ("solver_type", "eta", "noise_scale"),
    [
        ("ER-SDE", 1.0, lambda level: level * (math.exp(level**0.3) + 10)),
        ("Reverse-time SDE", 1.0, lambda level: level**2),
        ("Reverse-time SDE", 0.3, lambda level: level**1.3),
        ("Reverse-time SDE", 0.0, lambda level: level),
        ("ODE", 1.0, lambda level: level),
    ],
)
def test_er_sde_equals_the_papers_algorithm(
    solver_type: str, eta: float, noise_scale: Callable[[float], float], max_stage: int
) -> None:
    expected = er_sde_in_the_papers_variables(noise_scale, max_stage, s_noise=0.9)
    silent = solver_type == "ODE" or eta == 0.0
    options = {"solver_type": solver_type, "eta": eta, "max_stage": max_stage, "s_noise": 0.9}
    assert_close(arrivals(er_sde, silence if silent else stream(), **options), expected)


def path_of_noise(h: float, eta: float, shares: list[float], draws: list[Tensor]) -> list[Tensor]:
    """The noise over sigma at shares of a step: an Ornstein-Uhlenbeck process from 0, by its covariance."""
    times = torch.tensor(shares, dtype=torch.float64) * eta * h
    covariance = torch.exp(-(times[:, None] - times).abs()) - torch.exp(-(times[:, None] + times))
    factors = torch.linalg.cholesky(covariance)
    return [sum(factors[row, column] * draws[column] for column in range(row + 1)) for row in range(len(shares))]


def seeds_step(stages: int, eta: float, z: Tensor, level: float, level_next: float, draws: list[Tensor]) -> Tensor:
    """One step of SEEDS-2 or -3 of 2305.14267 for denoised pictures, on z = alpha x, lambda = log(alpha / sigma_z)."""
    h = math.log(level / level_next)
    shares = [(place + 1) / stages for place in range(stages)]
    noises = path_of_noise(h, eta, shares, draws) if eta else [torch.zeros(SHAPE, dtype=torch.float64)] * stages
    levels = [level * math.exp(-share * h) for share in shares]
    first = picture(z / alpha(level), level)

    def reached(place: int) -> Tensor:
        there, share = levels[place], shares[place]
        kept = (alpha(there) * there) / (alpha(level) * level) * math.exp(-share * h * eta)
        moved = -math.expm1(-(1 + eta) * share * h)
        return kept * z + alpha(there) * moved * first + alpha(there) * there * noises[place]

    second = picture(reached(0) / alpha(levels[0]), levels[0])
    way = (1 + eta) * h
    if stages == 2:
        return reached(1) + alpha(level_next) * -math.expm1(-way) * (second - first)
    inner_way = way * 2 / 3
    inner = reached(1) + alpha(levels[1]) * 2 * (1 + math.expm1(-inner_way) / inner_way) * (second - first)
    third = picture(inner / alpha(levels[1]), levels[1])
    return reached(2) + alpha(level_next) * 3 / 2 * (1 + math.expm1(-way) / way) * (third - first)


@pytest.mark.parametrize("eta", [0.0, 0.5, 1.0])
@pytest.mark.parametrize(("solver", "stages"), [(seeds_2, 2), (seeds_3, 3)])
def test_seeds_equals_the_papers_algorithm(solver: Sampler, stages: int, eta: float) -> None:
    z, noise, expected = start() * alpha(LEVELS[0]), stream(), []
    for level, level_next in pairwise(LEVELS):
        draws = [noise() for _ in range(stages)] if eta else []
        z = seeds_step(stages, eta, z, level, level_next, draws)
        expected.append(z / alpha(level_next))
    assert_close(arrivals(solver, stream() if eta else silence, eta=eta), expected)


def test_er_sde_names_the_types_it_knows() -> None:
    with pytest.raises(ValueRuleError, match="solver_type 'SDE' is unknown; there are ER-SDE, Reverse-time SDE, ODE"):
        arrivals(er_sde, solver_type="SDE")


@pytest.mark.parametrize(
    ("solver", "options", "told"),
    [
        (ipndm, {"max_order": 5}, r"ipndm: max_order 5 is not in 1\.\.4"),
        (ipndm_v, {"max_order": 0}, r"ipndm_v: max_order 0 is not in 1\.\.4"),
        (deis, {"max_order": 5}, r"deis: max_order 5 is not in 1\.\.4"),
        (uni_pc, {"max_order": 4}, r"uni_pc: max_order 4 is not in 1\.\.3"),
        (er_sde, {"max_stage": 0}, r"er_sde: max_stage 0 is not in 1\.\.3"),
        (sa_solver, {"predictor_order": 0}, r"sa_solver: predictor_order 0 is not in 1\.\.6"),
        (sa_solver, {"corrector_order": 7}, r"sa_solver: corrector_order 7 is not in 0\.\.6"),
        (seeds_2, {"r": 1.0}, "seeds_2: r 1 is not between 0 and 1"),
        (seeds_3, {"r_1": 0.7, "r_2": 0.6}, "seeds_3: r_1 0.7 and r_2 0.6 do not rise between 0 and 1"),
    ],
)
def test_options_out_of_range_are_told(solver: Sampler, options: dict[str, float], told: str) -> None:
    with pytest.raises(ValueRuleError, match=told):
        arrivals(solver, **options)
