"""ER-SDE: solvers of reverse diffusions with a choice of how much noise they stir in."""

import math
from collections.abc import Callable, Iterator, Mapping
from itertools import pairwise
from types import MappingProxyType

import torch
from torch import Tensor

from nodeflow.diffusion.errors import SamplerError
from nodeflow.diffusion.protocols import Denoiser
from nodeflow.diffusion.sampling.noise import Noise
from nodeflow.diffusion.sampling.solvers.step import Move, denoise, levels_visited, require_order

_POINTS = 200

_Fade = Callable[[Tensor, Tensor], Tensor]


def er_sde(
    denoiser: Denoiser,
    x: Tensor,
    sigmas: Tensor,
    noise: Noise,
    *,
    solver_type: str = "ER-SDE",
    max_stage: int = 3,
    eta: float = 1.0,
    s_noise: float = 1.0,
) -> Iterator[Move]:
    """Extended reverse-time SDE solvers of orders 1 to 3 (Cui et al. 2023, 2309.06169).

    phi(sigma) says how much noise is stirred in. With `r = phi(t) / phi(s)`, a step from s to t is
    `r x + (1 - r) D + (t - s + phi(t) I_0) D' + ((t - s)^2 / 2 + phi(t) I_1) D''` and noise of the level
    `sqrt(t^2 - r^2 s^2)`. I_p is the integral of `(u - s)^p / phi(u)` from t to s, as in other engines a sum over 200
    points; D' and D'' are the picture's divided differences in sigma.

    Args:
        denoiser: See `Sampler`, as for the next three.
        x: See there.
        sigmas: See there.
        noise: See there; drawn once a step.
        solver_type: "ER-SDE", phi = sigma (exp(sigma^0.3) + 10), SDE 5 of the paper's appendix A.8; "Reverse-time SDE",
            phi = sigma^(1 + eta); "ODE", phi = sigma, without noise.
        max_stage: Order, 1 to 3.
        eta: Of "Reverse-time SDE": 0 is the probability flow, 1 the reverse diffusion.
        s_noise: Factor of the noise.

    Raises:
        SamplerError: An unknown solver type, or another order.
    """
    require_order("er_sde", "max_stage", max_stage, range(1, 4))
    if solver_type not in _FADES:
        raise SamplerError(f"er_sde: solver_type {solver_type!r} is unknown; there are {', '.join(_FADES)}")
    fade = _FADES[solver_type](eta)
    silent = s_noise == 0.0 or solver_type == "ODE" or (solver_type == "Reverse-time SDE" and eta == 0.0)
    visited = levels_visited(sigmas)
    pictures: list[Tensor] = []  # the picture and its derivatives
    for index, (sigma, sigma_next) in enumerate(pairwise(visited)):
        denoised = denoise(denoiser, x, sigma)
        pictures = _derivatives(denoised, pictures, visited[max(index - 2, 0) : index + 1][::-1])[:max_stage]
        if sigma_next == 0.0:
            x = denoised
        else:
            kept, *reaches = _reaches(fade, sigma, sigma_next)
            x = kept * x
            for reach, derivative in zip(reaches, pictures, strict=False):
                x = x + reach * derivative
            if not silent:
                stirred = math.sqrt(max(sigma_next**2 - (kept * sigma) ** 2, 0.0))
                x = x + s_noise * stirred * noise()
        yield Move(x, denoised, sigma)


def _derivatives(denoised: Tensor, before: list[Tensor], recent: list[float]) -> list[Tensor]:
    """The picture and its derivatives in sigma, as far as they can be told, at the newest level.

    Args:
        denoised: The picture there.
        before: What this gave at the level before.
        recent: That level and up to two before it, newest first.
    """
    found = [denoised]
    for order, old in enumerate(before[: len(recent) - 1], start=1):
        found.append((found[-1] - old) * order / (recent[0] - recent[order]))
    return found


def _reaches(fade: _Fade, sigma: float, sigma_next: float) -> tuple[float, float, float, float]:
    """What a step keeps of x, and how far it follows the picture, its slope and its bend."""
    spacing = (sigma - sigma_next) / _POINTS
    places = sigma_next + spacing * torch.arange(_POINTS, dtype=torch.float64)
    end = torch.tensor(sigma_next, dtype=torch.float64)
    kept = float(fade(end, torch.tensor(sigma, dtype=torch.float64)))
    faded = fade(end, places)
    step = sigma_next - sigma
    slope = step + float(faded.sum()) * spacing
    bend = step**2 / 2 + float(((places - sigma) * faded).sum()) * spacing
    return kept, 1 - kept, slope, bend


def _extended(_eta: float) -> _Fade:
    def phi(sigma: Tensor) -> Tensor:
        return sigma * ((sigma**0.3).exp() + 10)

    return lambda low, high: phi(low) / phi(high)


def _reverse_time(eta: float) -> _Fade:
    return lambda low, high: (low / high) ** (1 + eta)


_FADES: Mapping[str, Callable[[float], _Fade]] = MappingProxyType(
    {"ER-SDE": _extended, "Reverse-time SDE": _reverse_time, "ODE": lambda _eta: _reverse_time(0.0)}
)
"""Solver type to phi(low) / phi(high), for an eta."""
