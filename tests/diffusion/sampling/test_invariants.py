"""What holds for every sampler on every schedule: numbers stay finite, levels fall, and a run ends on the picture.

The denoiser is in closed form (data at -1 and 1, each with variance 1/4) and has two sides, so that CFG++ samplers run
too.
"""

from collections.abc import Callable

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch import Tensor

from nodeflow.diffusion.protocols import Both
from nodeflow.diffusion.sampling.names import SAMPLERS, SCHEDULER_NAMES
from nodeflow.diffusion.sampling.prediction import NoiseLevels, scaled_linear_levels
from nodeflow.diffusion.sampling.schedules import window
from nodeflow.diffusion.sampling.solvers.step import Move, levels_visited
from nodeflow.diffusion.sampling.spans import without_penultimate
from nodeflow.diffusion.sampling.table import builtin_table

TABLE = builtin_table()
LEVELS = {False: scaled_linear_levels(), True: scaled_linear_levels(zero_terminal=True)}
SHAPE = (2, 4, 4)
STOCHASTIC = {
    "euler_ancestral",
    "euler_ancestral_cfg_pp",
    "dpm_2_ancestral",
    "dpmpp_2s_ancestral",
    "dpmpp_2s_ancestral_cfg_pp",
    "dpmpp_sde",
    "dpmpp_sde_gpu",
    "dpmpp_2m_sde",
    "dpmpp_2m_sde_gpu",
    "dpmpp_2m_sde_heun",
    "dpmpp_2m_sde_heun_gpu",
    "dpmpp_3m_sde",
    "dpmpp_3m_sde_gpu",
    "ddpm",
    "lcm",
    "res_multistep_ancestral",
    "res_multistep_ancestral_cfg_pp",
    "er_sde",
    "seeds_2",
    "seeds_3",
    "sa_solver",
    "sa_solver_pece",
}
DETERMINISTIC = sorted(set(SAMPLERS) - STOCHASTIC)
ONLY_ENDS = {"dpm_fast", "dpm_adaptive"}
"""They look at the ends of the schedule alone, and end at its lowest level above 0."""


class Clusters:
    """A denoiser with a negative side that is half of it."""

    def __call__(self, x: Tensor, sigma: Tensor) -> Tensor:
        level = sigma[:, None, None, None]
        variance = 0.25 + level**2
        return (level**2 * torch.tanh(x / variance) + 0.25 * x) / variance

    def both(self, x: Tensor, sigma: Tensor) -> Both:
        denoised = self(x, sigma)
        return Both(denoised, denoised / 2)


class RowNoise:
    """Noise of rows that are told by number: a row draws the same whichever rows are beside it.

    Draw 0 is for the start, so that the noise of a run does not depend on it.
    """

    def __init__(self, rows: list[int]) -> None:
        self._rows = rows
        self._draws = 0

    def __call__(self) -> Tensor:
        self._draws += 1
        return self.drawn(self._draws)

    def between(self, high: float, low: float) -> Tensor:
        assert high >= low
        return self.drawn(hash((high, low)) % 2**32)

    def drawn(self, number: int) -> Tensor:
        generators = [torch.Generator().manual_seed(1000 * number + row) for row in self._rows]
        return torch.stack([torch.randn(SHAPE, generator=generator) for generator in generators])


class Silence:
    def __call__(self) -> Tensor:
        raise AssertionError("a deterministic sampler draws no noise")

    def between(self, _high: float, _low: float) -> Tensor:
        raise AssertionError("a deterministic sampler draws no noise")


def start(rows: list[int], sigma: float) -> Tensor:
    return RowNoise(rows).drawn(0) * sigma


def sigmas_for(sampler: str, scheduler: str, levels: NoiseLevels, steps: int, denoise: float = 1.0) -> Tensor:
    schedule = TABLE.schedule(scheduler)
    if SAMPLERS[sampler].drops_penultimate:
        schedule = without_penultimate(schedule)
    return window(schedule, levels, steps, denoise)


def run(sampler: str, sigmas: Tensor, noise: Callable[[], Tensor], rows: list[int], levels: NoiseLevels) -> list[Move]:
    entry = TABLE.sampler(sampler)
    x = start(rows, float(sigmas[0]))
    before = x.clone()
    moves = list(entry.solve(Clusters(), x, sigmas, noise, **entry.keywords(levels)))
    assert torch.equal(x, before)
    return moves


@pytest.mark.parametrize("sampler", SAMPLERS)
@settings(max_examples=6, deadline=None)
@given(
    scheduler=st.sampled_from(SCHEDULER_NAMES),
    steps=st.integers(1, 200),
    denoise=st.floats(0.05, 1.0),
    zero_terminal=st.booleans(),
)
@example(scheduler="normal", steps=1, denoise=1.0, zero_terminal=False)
@example(scheduler="kl_optimal", steps=1, denoise=1.0, zero_terminal=True)
@example(scheduler="beta", steps=2, denoise=0.3, zero_terminal=False)
@example(scheduler="linear_quadratic", steps=200, denoise=1.0, zero_terminal=False)
def test_every_run_stays_finite_and_ends_on_the_picture(
    sampler: str, scheduler: str, steps: int, denoise: float, zero_terminal: bool
) -> None:
    levels = LEVELS[zero_terminal]
    sigmas = sigmas_for(sampler, scheduler, levels, steps, denoise)
    visited = levels_visited(sigmas)
    assert visited == sorted(visited, reverse=True)
    moves = run(sampler, sigmas, RowNoise([0]) if sampler in STOCHASTIC else Silence(), [0], levels)
    if not SAMPLERS[sampler].own_steps:
        assert len(moves) == len(visited) - 1
    for move in moves:
        assert move.x.shape == move.denoised.shape == (1, *SHAPE)
        assert bool(torch.isfinite(move.x).all())
        assert bool(torch.isfinite(move.denoised).all())
    came_from = [move.sigma for move in moves]
    assert came_from == sorted(came_from, reverse=True)
    if sampler not in ONLY_ENDS:
        last = moves[-1]
        # UniPC ends at level 0.001, of noise up to 4; the others round as floats of the size of the last level do.
        remainder = 4e-3 if sampler.startswith("uni_pc") else 1e-6 * (1 + last.sigma)
        torch.testing.assert_close(last.x, last.denoised, rtol=1e-6, atol=remainder)


@pytest.mark.parametrize("sampler", [name for name in SAMPLERS if name != "dpm_adaptive"])
def test_a_row_does_not_depend_on_the_rows_beside_it(sampler: str) -> None:
    # 1e-6 relative, as documented. dpm_adaptive measures its error over the batch.
    levels = LEVELS[False]
    sigmas = sigmas_for(sampler, "karras", levels, 7)
    together = run(sampler, sigmas, RowNoise([0, 1, 2]), [0, 1, 2], levels)[-1].x
    for row in range(3):
        alone = run(sampler, sigmas, RowNoise([row]), [row], levels)[-1].x
        torch.testing.assert_close(alone[0], together[row], rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("sampler", sorted(STOCHASTIC))
def test_a_stochastic_sampler_draws_noise(sampler: str) -> None:
    levels = LEVELS[False]
    sigmas = sigmas_for(sampler, "karras", levels, 7)
    ends = [run(sampler, sigmas, RowNoise([row]), [0], levels)[-1].x for row in (0, 1)]
    assert not torch.allclose(*ends, atol=1e-2)


@pytest.mark.parametrize("sampler", [name for name in SAMPLERS if name not in ONLY_ENDS])
def test_a_level_that_follows_itself_is_no_step(sampler: str) -> None:
    levels = LEVELS[False]
    once = run(sampler, torch.tensor([9.0, 3.0, 1.0, 0.0]), RowNoise([0]), [0], levels)
    twice = run(sampler, torch.tensor([9.0, 9.0, 3.0, 1.0, 1.0, 1.0, 0.0, 0.0]), RowNoise([0]), [0], levels)
    assert len(once) == len(twice) == 3
    torch.testing.assert_close(once[-1].x, twice[-1].x)


@pytest.mark.parametrize("sampler", [name for name in SAMPLERS if name not in ONLY_ENDS])
def test_a_run_that_leaves_noise_arrives_at_the_last_level(sampler: str) -> None:
    # A constant picture, which every sampler moves towards exactly: what is left is noise of the last level.
    levels = LEVELS[False]
    sigmas = torch.tensor([9.0, 6.0, 4.0, 2.5, 1.5])
    entry = TABLE.sampler(sampler)
    rows = list(range(64))

    class Constant:
        def __call__(self, x: Tensor, _sigma: Tensor) -> Tensor:
            return torch.full_like(x, 0.5)

        def both(self, x: Tensor, sigma: Tensor) -> Both:
            return Both(self(x, sigma), self(x, sigma))

    x = 0.5 + start(rows, 9.0)
    *_, last = entry.solve(Constant(), x, sigmas, RowNoise(rows), **entry.keywords(levels))
    # 2,048 numbers tell a standard deviation to 1.6 % (one standard error); 7 % are more than four of them.
    assert float((last.x - 0.5).square().mean().sqrt()) == pytest.approx(1.5, rel=0.07)


@pytest.mark.parametrize("sampler", [name for name, row in SAMPLERS.items() if row.rises])
def test_a_sampler_that_rises_comes_back_to_the_picture(sampler: str) -> None:
    entry, x = TABLE.sampler(sampler), torch.tanh(start([0], 1.0))
    up = torch.exp(torch.linspace(-4.0, 2.0, 60))
    *_, noisy = entry.solve(Clusters(), x, up, Silence(), **entry.options)
    *_, back = entry.solve(Clusters(), noisy.x, up.flip(0), Silence(), **entry.options)
    assert float(noisy.x.std()) > 1.0
    torch.testing.assert_close(back.x, x, rtol=0.2, atol=0.2)  # Euler, the roughest


@pytest.mark.parametrize(
    ("sampler", "options"),
    [
        ("er_sde", {"solver_type": "Reverse-time SDE", "eta": 100.0}),
        ("sa_solver", {"eta": 10.0, "predictor_order": 6, "corrector_order": 6}),
        ("sa_solver_pece", {"eta": 10.0, "simple_order_2": True, "predictor_order": 2, "corrector_order": 2}),
        ("seeds_2", {"eta": 100.0}),
        ("seeds_3", {"eta": 100.0}),
        ("ddim", {"eta": 100.0}),
        ("res_multistep", {"eta": 100.0}),
    ],
)
@pytest.mark.parametrize("zero_terminal", [False, True])
@pytest.mark.parametrize("steps", [1, 3, 200])
def test_all_the_noise_that_the_nodes_offer_stays_finite(
    sampler: str, options: dict[str, float], zero_terminal: bool, steps: int
) -> None:
    levels = LEVELS[zero_terminal]
    sigmas = sigmas_for(sampler, "normal", levels, steps)
    entry = TABLE.sampler(sampler).with_options(sampler, options)
    x = start([0], float(sigmas[0]))
    *_, last = entry.solve(Clusters(), x, sigmas, RowNoise([0]), **entry.keywords(levels))
    assert bool(torch.isfinite(last.x).all())  # not that it is any good: so much noise is beyond what a step can follow
    torch.testing.assert_close(last.x, last.denoised, rtol=1e-6, atol=1e-6 * (1 + last.sigma))
