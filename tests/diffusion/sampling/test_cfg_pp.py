"""CFG++ samplers: as their paper writes them, and as the samplers they come of where there is nothing to guide.

The paper (2406.08070) writes in alpha-bar: `z = sqrt(abar) x` has noise of variance `1 - abar` where x has `sigma^2`,
`abar = 1 / (1 + sigma^2)`. Everything is transcribed here in those variables, and in predicted noise.
"""

import math
from collections.abc import Callable, Iterator

import pytest
import torch
from torch import Tensor

from nodeflow.diffusion.protocols import Both
from nodeflow.diffusion.sampling.solvers.dpmpp_2m import dpmpp_2m, dpmpp_2m_cfg_pp
from nodeflow.diffusion.sampling.solvers.dpmpp_2s import dpmpp_2s_ancestral, dpmpp_2s_ancestral_cfg_pp
from nodeflow.diffusion.sampling.solvers.euler import (
    euler,
    euler_ancestral,
    euler_ancestral_cfg_pp,
    euler_cfg_pp,
)
from nodeflow.diffusion.sampling.solvers.step import Sampler

SCALE = 0.6
SIGMAS = torch.tensor([14.6, 6.0, 2.5, 1.0, 0.3, 0.05, 0.0], dtype=torch.float64)
SHAPE = (2, 3, 2, 2)


def noise() -> Callable[[], Tensor]:
    generator = torch.Generator().manual_seed(7)
    return lambda: torch.randn(SHAPE, generator=generator, dtype=torch.float64)


def start() -> Tensor:
    return noise()() * 14.6


class Guided:
    """Data from one Gaussian guided away from another, each with its best denoiser."""

    def __init__(self, positive: tuple[float, float], negative: tuple[float, float]) -> None:
        self._sides = (positive, negative)

    def side(self, which: int, x: Tensor, sigma: Tensor) -> Tensor:
        (mean, spread), level = self._sides[which], sigma[:, None, None, None]
        return mean + spread**2 / (spread**2 + level**2) * (x - mean)

    def __call__(self, x: Tensor, sigma: Tensor) -> Tensor:
        return self.both(x, sigma).denoised

    def both(self, x: Tensor, sigma: Tensor) -> Both:
        towards, away = self.side(0, x, sigma), self.side(1, x, sigma)
        return Both(away + SCALE * (towards - away), away)


DATA = Guided((1.0, 0.5), (-0.5, 0.8))
SAME = Guided((1.0, 0.5), (1.0, 0.5))


def in_paper(z: Tensor, abar: float) -> tuple[Tensor, Tensor, Tensor]:
    """The guided picture, that of the negative side, and the noise that side sees (algorithm 2, lines 2 to 4)."""
    x, sigma = z / math.sqrt(abar), torch.full((len(z),), math.sqrt(1 / abar - 1), dtype=z.dtype)
    noises = [(x - DATA.side(which, x, sigma)) / sigma[:, None, None, None] for which in (0, 1)]
    towards, away = noises
    mixed = away + SCALE * (towards - away)
    guided, negative = ((z - math.sqrt(1 - abar) * each) / math.sqrt(abar) for each in (mixed, away))
    return guided, negative, away


def abars() -> list[float]:
    return [1 / (1 + float(sigma) ** 2) for sigma in SIGMAS]


def ddim_in_paper(draw: Callable[[], Tensor] | None) -> Iterator[Tensor]:
    """Algorithm 2, line 5, with DDIM's variance of DDPM's posterior where noise is drawn."""
    z = start() * math.sqrt(abars()[0])
    for abar, after in zip(abars(), abars()[1:], strict=False):
        picture, _, seen = in_paper(z, abar)
        variance = 0.0 if draw is None else (1 - after) / (1 - abar) * (1 - abar / after)
        z = math.sqrt(after) * picture + math.sqrt(1 - after - variance) * seen
        if draw is not None and after < 1:
            z = z + math.sqrt(variance) * draw()
        yield z / math.sqrt(after)


def two_m_in_paper() -> Iterator[Tensor]:
    """DPM-Solver++(2M) with the noise of the negative side; the last guess before it is the negative side's too."""
    z, before, lambdas = start() * math.sqrt(abars()[0]), None, []
    for abar, after in zip(abars(), abars()[1:], strict=False):
        lambdas.append(math.log(abar / (1 - abar)) / 2)
        picture, negative, seen = in_paper(z, abar)
        z = math.sqrt(after) * picture + math.sqrt(1 - after) * seen
        if before is not None and after < 1:
            h = math.log(after / (1 - after)) / 2 - lambdas[-1]
            h_before = lambdas[-1] - lambdas[-2]
            z = z + math.sqrt(after) * (1 - math.exp(-h)) * h / (2 * h_before) * (picture - before)
        before = negative
        yield z / math.sqrt(after)


def two_s_in_paper(draw: Callable[[], Tensor]) -> Iterator[Tensor]:
    """DPM-Solver++(2S) down to DDPM's posterior; z is put at the guided picture before each part."""
    z = start() * math.sqrt(abars()[0])
    for abar, after in zip(abars(), abars()[1:], strict=False):
        picture, negative, seen = in_paper(z, abar)
        if after == 1:
            yield picture
            return
        variance = (1 - after) / (1 - abar) * (1 - abar / after)
        low = 1 / (1 + (1 - after - variance) / after)  # alpha-bar at the level that is stepped to
        middle = 1 / (1 + math.sqrt((1 - abar) / abar * (1 - low) / low))
        halfway = math.sqrt(middle) * picture + math.sqrt(1 - middle) * seen  # as picture and noise stay what they are
        moved = math.sqrt(middle / abar) * math.sqrt((1 - middle) / middle * abar / (1 - abar))
        again = math.sqrt(middle) * picture + moved * (z - math.sqrt(abar) * negative)
        torch.testing.assert_close(halfway, again)
        between, negative, _ = in_paper(halfway, middle)
        ratio = math.sqrt((1 - low) / low * abar / (1 - abar))
        moved_z = z / math.sqrt(abar) + picture - negative
        x = ratio * moved_z + (1 - ratio) * between
        z = math.sqrt(after) * x + math.sqrt(variance) * draw()
        yield z / math.sqrt(after)


def agrees(sampler: Sampler, written: Iterator[Tensor]) -> None:
    steps = list(sampler(DATA, start(), SIGMAS, noise()))
    expected = list(written)
    assert len(steps) == len(expected) == 6
    for move, x in zip(steps, expected, strict=True):
        torch.testing.assert_close(move.x, x, rtol=1e-9, atol=1e-9)


def test_euler_is_the_paper_s_ddim() -> None:
    agrees(euler_cfg_pp, ddim_in_paper(None))


def test_euler_ancestral_is_ddim_with_the_variance_of_ddpm() -> None:
    agrees(euler_ancestral_cfg_pp, ddim_in_paper(noise()))


def test_dpmpp_2m_takes_the_noise_of_the_negative_side() -> None:
    agrees(dpmpp_2m_cfg_pp, two_m_in_paper())


def test_dpmpp_2s_takes_the_noise_of_the_negative_side() -> None:
    agrees(dpmpp_2s_ancestral_cfg_pp, two_s_in_paper(noise()))


@pytest.mark.parametrize(
    ("sampler", "base"),
    [
        (euler_cfg_pp, euler),
        (euler_ancestral_cfg_pp, euler_ancestral),
        (dpmpp_2m_cfg_pp, dpmpp_2m),
    ],
)
def test_with_equal_sides_it_is_the_sampler_it_comes_of(sampler: Sampler, base: Sampler) -> None:
    for move, plain in zip(sampler(SAME, start(), SIGMAS, noise()), base(SAME, start(), SIGMAS, noise()), strict=True):
        torch.testing.assert_close(move.x, plain.x, rtol=1e-9, atol=1e-9)


def test_dpmpp_2s_is_the_sampler_it_comes_of_where_the_picture_is_known() -> None:
    # Where it changes inside a step, the guesses of two levels are mixed; see there.
    known = Guided((1.0, 0.0), (1.0, 0.0))
    *_, found = dpmpp_2s_ancestral_cfg_pp(known, start(), SIGMAS[:-1], noise())
    *_, plain = dpmpp_2s_ancestral(known, start(), SIGMAS[:-1], noise())
    torch.testing.assert_close(found.x, plain.x, rtol=1e-9, atol=1e-9)


def test_euler_ancestral_without_noise_is_euler() -> None:
    *_, silent = euler_ancestral_cfg_pp(DATA, start(), SIGMAS, noise(), eta=0.0)
    *_, plain = euler_cfg_pp(DATA, start(), SIGMAS, noise())
    assert torch.equal(silent.x, plain.x)


def test_a_denoiser_without_a_negative_side_is_refused() -> None:
    with pytest.raises(TypeError, match="needs a denoiser with a negative side"):
        next(euler_cfg_pp(lambda x, sigma: x, start(), SIGMAS, noise()))
