"""Spacings: noise levels by formula between two ends, whatever the network.

All but `laplace` add a step to 0 at the end, so n levels make n steps.
"""

import math

import torch
from torch import Tensor

from nodeflow.diffusion.errors import ValueRuleError

_SMALLEST = torch.finfo(torch.float32).tiny


def karras(n: int, sigma_min: float, sigma_max: float, rho: float = 7.0) -> Tensor:
    """Denser at low noise, the more so the larger `rho` (Karras et al. 2022, 2206.00364, eq. 5).

    Args:
        n: How many levels, 1 or more.
        sigma_min: The lowest, above 0.
        sigma_max: The highest.
        rho: Above 0; 1 is linear, 3 evens out the error of each step.

    Returns:
        float32 [n + 1], the last one 0.

    Raises:
        ValueRuleError: Ends that `require_ends` refuses, a `rho` of 0 or less, or one that makes a level 0 or infinite.
    """
    require_ends(n, sigma_min, sigma_max)
    _check_positive("rho", rho)
    try:
        high, low = sigma_max ** (1 / rho), sigma_min ** (1 / rho)
    except OverflowError:
        high, low = math.inf, 0.0
    sigmas = (high + torch.linspace(0, 1, n) * (low - high)) ** rho
    _check_levels(sigmas, f"karras: rho {rho:g} from {sigma_max:g} to {sigma_min:g} gives", "usual is 7")
    return ended(sigmas)


def exponential(n: int, sigma_min: float, sigma_max: float) -> Tensor:
    """At equal ratios, which is at equal distances in log-SNR (DPM-Solver, Lu et al. 2022, 2206.00927, section 3.4).

    Arguments, result and errors as in `karras`.
    """
    return polyexponential(n, sigma_min, sigma_max)


def polyexponential(n: int, sigma_min: float, sigma_max: float, rho: float = 1.0) -> Tensor:
    """A power of a line in log sigma (k-diffusion).

    Arguments, result and errors as in `karras`; with `rho` 1 the ratios are equal, above 1 it is denser at low noise.
    """
    require_ends(n, sigma_min, sigma_max)
    _check_positive("rho", rho)
    high, low = math.log(sigma_max), math.log(sigma_min)
    if rho == 1.0:
        return ended(torch.linspace(high, low, n).exp())
    return ended((torch.linspace(1, 0, n) ** rho * (high - low) + low).exp())


def kl_optimal(n: int, sigma_min: float, sigma_max: float) -> Tensor:
    """The least divergence from Gaussian data (Align Your Steps, Sabour et al. 2024, 2404.14507).

    Arguments, result and errors as in `karras`.
    """
    require_ends(n, sigma_min, sigma_max)
    share = torch.arange(n) / max(n - 1, 1)
    return ended((share * math.atan(sigma_min) + (1 - share) * math.atan(sigma_max)).tan())


def laplace(n: int, sigma_min: float, sigma_max: float, mu: float = 0.0, beta: float = 0.5) -> Tensor:
    """Quantiles of a Laplace distribution of log sigma (Hang et al. 2024, 2407.03297), cut off at the ends.

    No step to 0 is added, as in ComfyUI: n levels make n - 1 steps, and the noise of `sigma_min` stays.

    Args:
        n: How many levels, 1 or more.
        sigma_min: The lowest, above 0.
        sigma_max: The highest.
        mu: The log sigma around which the levels gather.
        beta: 0 or more, how far they are spread.

    Returns:
        float32 [n].

    Raises:
        ValueRuleError: Ends that `require_ends` refuses.
    """
    require_ends(n, sigma_min, sigma_max)
    offset = 0.5 - torch.linspace(0, 1, n)
    tail = (1 - 2 * offset.abs() + 1e-5).log()  # 1e-5: no quantile is infinite
    return (mu - beta * offset.sign() * tail).exp().clamp(sigma_min, sigma_max)


def vp(n: int, beta_d: float = 19.9, beta_min: float = 0.1, eps_s: float = 0.001) -> Tensor:
    """The continuous variance-preserving process at equal times (Song et al. 2021, 2011.13456).

    Args:
        n: How many levels, 1 or more.
        beta_d: How fast the rate of noise grows.
        beta_min: The rate of noise at the start.
        eps_s: The lowest time, 0 to 1.

    Returns:
        float32 [n + 1], the last one 0.

    Raises:
        ValueRuleError: A level that is 0 or not finite comes out.
    """
    _check_steps(n)
    time = torch.linspace(1, eps_s, n, dtype=torch.float64)
    sigmas = torch.expm1(beta_d * time**2 / 2 + beta_min * time).sqrt().float()
    given = f"vp: beta_d {beta_d:g}, beta_min {beta_min:g} and eps_s {eps_s:g} give"
    _check_levels(sigmas, given, "usual are 19.9, 0.1 and 0.001")
    return ended(sigmas)


def ended(sigmas: Tensor) -> Tensor:
    """Adds a last step to 0."""
    return torch.cat([sigmas.float(), torch.zeros(1)])


def require_ends(n: int, sigma_min: float, sigma_max: float) -> None:
    """Checks how many levels there are to be, and between what.

    Raises:
        ValueRuleError: Fewer than one, ends that are not 0 < sigma_min <= sigma_max, or one that float32 cannot hold.
    """
    _check_steps(n)
    _check_positive("sigma_min", sigma_min)
    if sigma_min < _SMALLEST:
        raise ValueRuleError(f"sigma_min {sigma_min:g} is below {_SMALLEST:.2g}, the least number of single precision")
    if not sigma_min <= sigma_max < math.inf:
        raise ValueRuleError(f"sigma_max {sigma_max:g} is below sigma_min {sigma_min:g} or not finite")


def _check_levels(sigmas: Tensor, given: str, usual: str) -> None:
    if not bool(((sigmas > 0) & sigmas.isfinite()).all()):
        raise ValueRuleError(f"{given} a noise level that is 0 or not finite; {usual}")


def _check_steps(n: int) -> None:
    if n < 1:
        raise ValueRuleError(f"steps {n} is below 1")


def _check_positive(name: str, value: float) -> None:
    if not 0.0 < value < math.inf:
        raise ValueRuleError(f"{name} {value:g} is not above 0; the step to 0 is added by itself")
