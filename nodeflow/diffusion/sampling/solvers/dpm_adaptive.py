"""DPM-Solver-12 and -23: steps as long as the error that two orders show allows."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field

import torch
from torch import Tensor

from nodeflow.diffusion.errors import SamplerError
from nodeflow.diffusion.protocols import Denoiser
from nodeflow.diffusion.sampling.noise import Noise
from nodeflow.diffusion.sampling.solvers.dpm_solver import Span, second_order, stages
from nodeflow.diffusion.sampling.solvers.step import Move, denoise, levels_visited

_MOST_REJECTED = 100
"""In a row. A step is shortened by up to 0.21 each time, so a tolerance that can be met is met long before."""
_MOST_STEPS = 10_000
"""As many as any run may have. Steps that start tiny and are never let grow would go on for ever."""
_LEAST_ATOL = 1e-20
"""Where x is 0 and only `rtol` allows an error, it is divided by this."""
_DONE = 1e-5
"""How near to the end, in log sigma, is the end."""


def dpm_adaptive(
    denoiser: Denoiser,
    x: Tensor,
    sigmas: Tensor,
    noise: Noise,
    *,
    order: int = 3,
    rtol: float = 0.05,
    atol: float = 0.0078,
    h_init: float = 0.05,
    pcoeff: float = 0.0,
    icoeff: float = 1.0,
    dcoeff: float = 0.0,
    accept_safety: float = 0.81,
    eta: float = 0.0,
    s_noise: float = 1.0,
) -> Iterator[Move]:
    """DPM-Solver-12 or -23 (Lu et al. 2022, 2206.00927), with k-diffusion's control of the step.

    Of the levels only the first and the last above 0 count, and it ends at that: the noise of it stays. The error is
    measured over the whole batch, so a picture is not the same alone as in its batch. A move for each accepted step;
    where there is but one level above 0 there is nowhere to go, and all noise stays.

    Args:
        denoiser: See `Sampler`, as for the next three.
        x: See there.
        sigmas: See there.
        noise: See there.
        order: 2 or 3, of the result; the error is its difference to one order less.
        rtol: Error that is allowed, relative to the size of x.
        atol: Error that is allowed where x is small.
        h_init: First step, in log sigma.
        pcoeff: How much the last error counts for the next step (see `_Controller`).
        icoeff: How much the sum of the errors counts.
        dcoeff: How much the change of the errors counts.
        accept_safety: A step is taken when the next one would be at least this times as long.
        eta: How much of each step is noise, see `euler_ancestral`.
        s_noise: Factor of the noise.

    Raises:
        SamplerError: Another order, a first step of 0, tolerances that no step can meet, or steps so short that
            `_MOST_STEPS` do not reach the end.
    """
    if order not in (2, 3):
        raise SamplerError(f"dpm_adaptive: order {order} is not 2 or 3")
    if not h_init > 0.0:
        raise SamplerError(f"dpm_adaptive: h_init {h_init:g} is not above 0; usual is 0.05")
    if not rtol + atol > 0.0:
        raise SamplerError("dpm_adaptive: rtol and atol allow no error at all; usual are 0.05 and 0.0078")
    visited = levels_visited(sigmas)
    sigma, last = visited[0], next(level for level in reversed(visited) if level > 0.0)
    controller = _Controller.of(h_init, pcoeff, icoeff, dcoeff, 1.5 if eta else order, accept_safety)
    lower = x
    if sigma == last:
        yield Move(x, denoise(denoiser, x, sigma), sigma)
    steps = 0
    while math.log(sigma / last) > _DONE:
        if steps == _MOST_STEPS:
            raise SamplerError(
                f"dpm_adaptive: {steps} steps from h_init {h_init:g} came no farther than sigma {sigma:.4g}; "
                "a larger h_init, or icoeff above 0, makes them longer (usual are 0.05 and 1)"
            )
        steps += 1
        denoised = denoise(denoiser, x, sigma)
        for _ in range(_MOST_REJECTED):
            sigma_next = max(sigma * math.exp(-controller.step), last)
            attempt = _Attempt.of(denoiser, x, denoised, Span.split(sigma, sigma_next, last, eta), order)
            if controller.accepts(attempt.error(lower, rtol, atol)):
                break
        else:
            raise SamplerError(
                f"dpm_adaptive: no step from sigma {sigma:.4g} is good enough for rtol {rtol:g}, atol {atol:g} and "
                f"accept_safety {accept_safety:g}; usual are 0.05, 0.0078 and 0.81"
            )
        lower, x = attempt.lower, attempt.higher
        if eta:
            x = x + noise() * (s_noise * attempt.span.up)
        yield Move(x, denoised, sigma)
        sigma = sigma_next


@dataclass(frozen=True, slots=True)
class _Attempt:
    """A step by two orders from the same evaluations."""

    lower: Tensor
    higher: Tensor
    span: Span

    @classmethod
    def of(cls, denoiser: Denoiser, x: Tensor, denoised: Tensor, span: Span, order: int) -> "_Attempt":
        """The lower order is taken from the first evaluations of the higher."""
        moves = list(stages(denoiser, x, span, order, denoised))
        first = (x - denoised) / span.start
        if order == 2:
            lower = x + span.length(1.0) * first
        else:
            inside = moves[0].x
            second = (inside - moves[1].denoised) / span.level(1 / 3)
            lower = second_order(x, first, second, span, 1 / 3)
        return cls(lower, moves[-1].x, span)

    def error(self, before: Tensor, rtol: float, atol: float) -> float:
        """The difference of the orders over what is allowed, as a mean square root over the batch."""
        size = torch.maximum(self.lower.abs(), before.abs())
        allowed = torch.clamp(rtol * size, min=max(atol, _LEAST_ATOL))
        return float(((self.lower - self.higher) / allowed).square().mean().sqrt())


@dataclass(slots=True)
class _Controller:
    """A PID controller of the step in log sigma (Hairer, Wanner, IV.2; Söderlind 2003).

    Its next step is `e_n^b1 e_(n-1)^b2 e_(n-2)^b3` times as long, e being inverse errors of accepted steps, limited
    smoothly to 0.21 to 2.57.
    """

    step: float
    powers: tuple[float, float, float]
    accept_safety: float
    inverse_errors: list[float] = field(default_factory=list[float])

    @classmethod
    def of(
        cls, step: float, pcoeff: float, icoeff: float, dcoeff: float, order: float, accept_safety: float
    ) -> "_Controller":
        """The controller of a method of an order."""
        powers = ((pcoeff + icoeff + dcoeff) / order, -(pcoeff + 2 * dcoeff) / order, dcoeff / order)
        return cls(step, powers, accept_safety)

    def accepts(self, error: float) -> bool:
        """Judges a step by its error, and sets the next one."""
        now = 1 / (min(error, 1e30) + 1e-8)
        before = self.inverse_errors or [now, now]
        growth = sum(power * math.log(each) for each, power in zip([now, *before], self.powers, strict=True))
        factor = 1 + math.atan(math.expm1(min(growth, 100.0)))
        accepted = factor >= self.accept_safety
        self.inverse_errors = [now, before[0]] if accepted else before
        self.step *= factor
        return accepted
