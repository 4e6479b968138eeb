"""Samplers agree with diffusers' schedulers, step by step.

Both see one denoiser in closed form: that of data at -1 and 1, each with variance 1/4, which bends enough that another
order, another weight or another noise shows at once. diffusers works on `x / sqrt(1 + sigma^2)`; its tables are made
float64, so that the two differ by rounding only: tolerance 1e-9 relative after each step, where a method that differs
is off by 1e-3 or more. diffusers' DEIS takes its polynomials in log sigma, not in time: it is another method (see
test_reference_solvers.py for ours).
"""

import math
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import pytest
import torch
from diffusers import DDIMScheduler, IPNDMScheduler, PNDMScheduler, SASolverScheduler, UniPCMultistepScheduler
from torch import Tensor

from nodeflow.diffusion.sampling.solvers.ddim import ddim
from nodeflow.diffusion.sampling.solvers.ipndm import ipndm
from nodeflow.diffusion.sampling.solvers.plms import plms
from nodeflow.diffusion.sampling.solvers.sa_solver import sa_solver
from nodeflow.diffusion.sampling.solvers.step import Move
from nodeflow.diffusion.sampling.solvers.uni_pc import uni_pc

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # numpy 2, in diffusers
TOLERANCE = 1e-9
BETAS = {"beta_schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012}
LEVELS = (14.6, 7.1, 3.9, 2.2, 1.3, 0.7, 0.35, 0.1)


def two_clusters(x: Tensor, sigma: Tensor) -> Tensor:
    level = sigma[:, None, None, None].to(x.dtype)
    variance = 0.25 + level**2
    return (level**2 * torch.tanh(x / variance) + 0.25 * x) / variance


def denoised_at(x: Tensor, sigma: float) -> Tensor:
    return two_clusters(x, torch.full((len(x),), sigma, dtype=x.dtype))


def start(sigma: float) -> Tensor:
    return torch.randn(2, 3, 4, 4, generator=torch.Generator().manual_seed(3), dtype=torch.float64) * sigma


def drawn(shape: torch.Size) -> Callable[[], Tensor]:
    generator = torch.Generator().manual_seed(8)
    return lambda: torch.randn(shape, generator=generator, dtype=torch.float64)


def silence() -> Tensor:
    raise AssertionError("a deterministic sampler draws no noise")


def shrink(sigma: float) -> float:
    return 1 / math.sqrt(1 + sigma**2)


def assert_same(moves: Iterator[Move], theirs: list[Tensor], levels: list[float]) -> None:
    ours = [move.x for move in moves]
    assert len(ours) == len(theirs)
    for step, (found, expected, level) in enumerate(zip(ours, theirs, levels[1:], strict=True)):
        wanted = expected / shrink(level)
        assert float((found - wanted).norm() / wanted.norm()) < TOLERANCE, f"step {step}"


def spaced(scheduler: Any, steps: int) -> tuple[list[int], list[float]]:
    """Makes a scheduler's table float64; its timesteps, and their levels with the lowest trained one after them."""
    roots = torch.linspace(math.sqrt(BETAS["beta_start"]), math.sqrt(BETAS["beta_end"]), 1000, dtype=torch.float64)
    scheduler.alphas_cumprod = torch.cumprod(1 - roots**2, dim=0)
    scheduler.final_alpha_cumprod = scheduler.alphas_cumprod[0]
    scheduler.set_timesteps(steps)
    timesteps = [int(timestep) for timestep in scheduler.timesteps]
    kept = sorted(set(timesteps), reverse=True)
    alphas = torch.cat([scheduler.alphas_cumprod[kept], scheduler.alphas_cumprod[:1]])
    return timesteps, ((1 - alphas) / alphas).sqrt().tolist()


@pytest.mark.parametrize("eta", [0.0, 0.6, 1.0])
def test_ddim_equals_that_of_diffusers(eta: float) -> None:
    settings = {"set_alpha_to_one": False, "steps_offset": 1, "clip_sample": False}
    scheduler = DDIMScheduler(**BETAS, **settings, prediction_type="sample")
    timesteps, levels = spaced(scheduler, 10)
    x = start(levels[0])
    theirs, vp, noise = [], x * shrink(levels[0]), drawn(x.shape)
    for timestep, level in zip(timesteps, levels, strict=False):
        out = denoised_at(vp / shrink(level), level)
        fresh = noise() if eta else None
        vp = scheduler.step(out, timestep, vp, eta=eta, variance_noise=fresh).prev_sample
        theirs.append(vp)
    sigmas = torch.tensor(levels, dtype=torch.float64)
    assert_same(ddim(two_clusters, x, sigmas, drawn(x.shape) if eta else silence, eta=eta), theirs, levels)


def test_plms_equals_that_of_diffusers() -> None:
    settings = {"skip_prk_steps": True, "set_alpha_to_one": False, "steps_offset": 1}
    scheduler = PNDMScheduler(**BETAS, **settings)
    timesteps, levels = spaced(scheduler, 10)
    assert timesteps[:3] == [901, 801, 801]  # the first step is made twice
    x = start(levels[0])
    theirs, vp = [], x * shrink(levels[0])
    for timestep in timesteps:
        level = levels[(901 - timestep) // 100]
        eps = (vp / shrink(level) - denoised_at(vp / shrink(level), level)) / level
        vp = scheduler.step(eps, timestep, vp).prev_sample
        theirs.append(vp)
    assert_same(plms(two_clusters, x, torch.tensor(levels, dtype=torch.float64), silence), theirs[1:], levels)


def test_ipndm_equals_that_of_diffusers() -> None:
    scheduler = IPNDMScheduler()
    scheduler.set_timesteps(len(LEVELS) - 1)
    sigmas = torch.tensor(LEVELS, dtype=torch.float64)
    scheduler.alphas = 1 / (1 + sigmas**2).sqrt()
    scheduler.betas = sigmas * scheduler.alphas
    x = start(LEVELS[0])
    theirs, vp = [], x * shrink(LEVELS[0])
    for index, (timestep, level) in enumerate(zip(scheduler.timesteps, LEVELS, strict=False)):
        eps = (vp / shrink(level) - denoised_at(vp / shrink(level), level)) / level
        velocity = (eps - scheduler.betas[index] * vp) / scheduler.alphas[index]  # what this scheduler takes
        vp = scheduler.step(velocity, timestep, vp).prev_sample
        theirs.append(vp)
    assert_same(ipndm(two_clusters, x, sigmas, silence), theirs, list(LEVELS))


@pytest.mark.parametrize("order", [1, 2, 3])
@pytest.mark.parametrize(("kind", "exponential"), [("bh1", False), ("bh2", True)])
def test_uni_pc_equals_that_of_diffusers(kind: str, exponential: bool, order: int) -> None:
    scheduler = UniPCMultistepScheduler(**BETAS, solver_order=order, solver_type=kind, prediction_type="sample")
    levels = [*LEVELS, 0.001]
    scheduler.set_timesteps(len(LEVELS))
    scheduler.sigmas = torch.tensor(levels, dtype=torch.float64)
    x = start(levels[0])
    theirs, vp = [], x * shrink(levels[0])
    for timestep, level in zip(scheduler.timesteps, LEVELS, strict=True):
        vp = scheduler.step(denoised_at(vp / shrink(level), level), timestep, vp).prev_sample
        theirs.append(vp)
    sigmas = torch.tensor([*LEVELS, 0.0], dtype=torch.float64)  # ours ends at 0.001 by itself
    moves = uni_pc(two_clusters, x, sigmas, silence, max_order=order, exponential=exponential)
    assert_same(moves, theirs, levels)


@pytest.mark.parametrize("tau", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("orders", [(1, 1), (2, 2), (3, 4), (2, 3)])
def test_sa_solver_equals_that_of_diffusers(tau: float, orders: tuple[int, int]) -> None:
    # diffusers always takes the simple weights of order 2, and draws noise also where its factor is 0.
    predictor, corrector = orders
    scheduler = SASolverScheduler(
        **BETAS,
        predictor_order=predictor,
        corrector_order=corrector,
        prediction_type="sample",
        lower_order_final=False,
        tau_func=lambda _: torch.tensor(tau, dtype=torch.float64),
    )
    scheduler.set_timesteps(len(LEVELS) - 1)
    scheduler.sigmas = torch.tensor(LEVELS, dtype=torch.float64)
    x = start(LEVELS[0])
    theirs, vp, generator = [], x * shrink(LEVELS[0]), torch.Generator().manual_seed(8)
    for timestep, (level, _) in zip(scheduler.timesteps, pairwise(LEVELS), strict=True):
        out = denoised_at(vp / shrink(level), level)
        vp = scheduler.step(out, timestep, vp, generator=generator).prev_sample
        theirs.append(vp)
    moves = sa_solver(
        two_clusters,
        x,
        torch.tensor(LEVELS, dtype=torch.float64),
        drawn(x.shape) if tau else silence,
        eta=tau,
        predictor_order=predictor,
        corrector_order=corrector,
        simple_order_2=True,
    )
    assert_same(moves, theirs, list(LEVELS))
