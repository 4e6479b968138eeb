"""Numbers of k-diffusion's samplers and spacings: ``python -m tests.golden.k_diffusion SDIST.tar.gz``.

Takes the source distribution of k-diffusion (MIT), loads its ``sampling.py`` alone and runs its samplers on a problem
whose best denoiser is known. Only numbers are kept; see README.md here. The tests take the problem from this module.
"""

import sys
import tarfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

NUMBERS = Path(__file__).with_name("k-diffusion.safetensors")
SEED, SHAPE = 42, (2, 4, 3, 3)
LEVELS = (14.6, 7.5, 4.1, 2.3, 1.3, 0.7, 0.35, 0.14, 0.03, 0.0)
"""Nine steps of no regular size."""

Case = tuple[str, int, dict[str, Any]]
"""Sampler, number of steps from the last on, options."""
CASES: dict[str, Case] = {
    "euler": ("euler", 9, {}),
    "euler.churn": ("euler", 9, {"s_churn": 3.0, "s_noise": 1.1}),
    "euler_ancestral": ("euler_ancestral", 9, {}),
    "euler_ancestral.eta": ("euler_ancestral", 9, {"eta": 0.6, "s_noise": 0.9}),
    "heun": ("heun", 9, {}),
    "heun.churn": ("heun", 9, {"s_churn": 3.0}),
    "dpm_2": ("dpm_2", 9, {}),
    "dpm_2.churn": ("dpm_2", 9, {"s_churn": 30.0, "s_tmin": 0.1, "s_tmax": 50.0}),
    "dpm_2_ancestral": ("dpm_2_ancestral", 9, {}),
    "dpm_2_ancestral.eta": ("dpm_2_ancestral", 9, {"eta": 0.6, "s_noise": 0.9}),
    "lms": ("lms", 9, {}),
    "lms.order_2": ("lms", 9, {"order": 2}),
    "dpm_fast.9": ("dpm_fast", 9, {}),
    "dpm_fast.8": ("dpm_fast", 8, {}),
    "dpm_fast.7": ("dpm_fast", 7, {}),
    "dpm_fast.2": ("dpm_fast", 2, {}),
    "dpm_fast.eta": ("dpm_fast", 9, {"eta": 0.6, "s_noise": 0.9}),
    "dpm_adaptive": ("dpm_adaptive", 9, {}),
    "dpm_adaptive.order_2": ("dpm_adaptive", 9, {"order": 2, "rtol": 0.02, "atol": 0.001}),
    "dpm_adaptive.rejected": ("dpm_adaptive", 9, {"h_init": 3.0, "rtol": 0.001, "atol": 0.0001}),
    "dpm_adaptive.pid": ("dpm_adaptive", 9, {"pcoeff": 0.4, "icoeff": 0.7, "dcoeff": 0.1, "accept_safety": 0.7}),
    "dpm_adaptive.eta": ("dpm_adaptive", 9, {"eta": 0.6, "s_noise": 0.9}),
    "dpmpp_2s_ancestral": ("dpmpp_2s_ancestral", 9, {}),
    "dpmpp_2s_ancestral.eta": ("dpmpp_2s_ancestral", 9, {"eta": 0.6, "s_noise": 0.9}),
    "dpmpp_sde": ("dpmpp_sde", 9, {}),
    "dpmpp_sde.r": ("dpmpp_sde", 9, {"eta": 0.6, "s_noise": 0.9, "r": 0.3}),
    "dpmpp_2m": ("dpmpp_2m", 9, {}),
    "dpmpp_2m_sde": ("dpmpp_2m_sde", 9, {}),
    "dpmpp_2m_sde.heun": ("dpmpp_2m_sde", 9, {"solver_type": "heun", "eta": 0.6, "s_noise": 0.9}),
    "dpmpp_2m_sde.silent": ("dpmpp_2m_sde", 9, {"eta": 0.0}),
    "dpmpp_3m_sde": ("dpmpp_3m_sde", 9, {}),
    "dpmpp_3m_sde.eta": ("dpmpp_3m_sde", 9, {"eta": 0.6, "s_noise": 0.9}),
}
SPACINGS: dict[str, tuple[str, dict[str, Any]]] = {
    "karras": ("karras", {"n": 12, "sigma_min": 0.03, "sigma_max": 14.6}),
    "karras.rho": ("karras", {"n": 12, "sigma_min": 0.03, "sigma_max": 14.6, "rho": 3.0}),
    "exponential": ("exponential", {"n": 12, "sigma_min": 0.03, "sigma_max": 14.6}),
    "polyexponential": ("polyexponential", {"n": 12, "sigma_min": 0.03, "sigma_max": 14.6, "rho": 2.0}),
    "vp": ("vp", {"n": 12}),
    "vp.rates": ("vp", {"n": 12, "beta_d": 15.0, "beta_min": 0.2, "eps_s": 0.01}),
}


def levels(name: str, steps: int) -> Tensor:
    """The last levels; numbers that float32 knows, in float64.

    `lms` stops before 0: k-diffusion's last step is a polynomial's there, other engines' takes the denoised picture.
    """
    sigmas = torch.tensor(LEVELS[-steps - 1 :], dtype=torch.float32).double()
    return sigmas[:-1] if name == "lms" else sigmas


def mixture(x: Tensor, sigma: Tensor) -> Tensor:
    """The best denoiser of data from two Gaussians in SHAPE[1:] dimensions, float64: what samplers are run on."""
    draws = torch.Generator().manual_seed(0)
    logits, guesses = [], []
    for spread, share in ((0.5, 0.3), (0.8, 0.7)):
        mean = torch.randn(SHAPE[1:], generator=draws, dtype=torch.float64)
        variance = (spread**2 + sigma**2)[:, None, None, None]
        logits.append(((share / variance.sqrt()).log() - (x - mean) ** 2 / (2 * variance)).sum(dim=(1, 2, 3)))
        guesses.append(mean + spread**2 / variance * (x - mean))
    weights = torch.stack(logits).softmax(dim=0)[..., None, None, None]
    return (weights * torch.stack(guesses)).sum(dim=0)


def start(steps: int) -> Tensor:
    """Where a run begins: the first draw of the noise, as in a run from nothing."""
    return stream()() * LEVELS[-steps - 1]


def stream() -> Callable[[], Tensor]:
    """Noise that is drawn in float32."""
    generator = torch.Generator().manual_seed(SEED)
    return lambda: torch.randn(SHAPE, generator=generator, dtype=torch.float32).double()


def loaded(sdist: Path) -> Any:
    """The module ``sampling`` of a source distribution, without the rest of the package and its dependencies."""
    with tarfile.open(sdist) as archive:
        name = next(name for name in archive.getnames() if name.endswith("/k_diffusion/sampling.py"))
        source = archive.extractfile(name)
        assert source is not None
        text = source.read().decode()
    utils, odes, package = ModuleType("k_diffusion.utils"), ModuleType("torchdiffeq"), ModuleType("k_diffusion")
    utils.append_dims = lambda x, dims: x[(...,) + (None,) * (dims - x.ndim)]  # type: ignore[attr-defined]
    odes.odeint = None  # type: ignore[attr-defined]  # only its likelihoods need one
    package.utils = utils  # type: ignore[attr-defined]
    sys.modules |= {"k_diffusion": package, "k_diffusion.utils": utils, "torchdiffeq": odes}
    module = ModuleType("k_diffusion.sampling")
    module.__package__ = "k_diffusion"
    exec(compile(text, name, "exec"), module.__dict__)
    return module


@contextmanager
def churned_from(draw: Callable[[], Tensor]) -> Iterator[None]:
    """Churn is drawn by ``torch.randn_like`` there: after the first draw, which a run begins with."""
    draw()
    original, torch.randn_like = torch.randn_like, lambda _: draw()  # type: ignore[assignment]
    try:
        yield
    finally:
        torch.randn_like = original


def result(sampling: Any, name: str, steps: int, options: dict[str, Any]) -> Tensor:
    """What a sampler of k-diffusion arrives at."""
    x, sigmas = start(steps), levels(name, steps)
    solve = getattr(sampling, f"sample_{name}")
    options = {**options, "disable": True}
    if name.endswith(("ancestral", "fast", "adaptive")):
        draw = stream()
        options["noise_sampler"] = lambda _high, _low: draw()
    if name.endswith("sde"):
        low, high = sigmas[sigmas > 0].min(), sigmas.max()
        path = sampling.BrownianTreeNoiseSampler(x.float(), low.float(), high.float(), seed=SEED)
        options["noise_sampler"] = lambda high, low: path(high.float(), low.float()).double()
    with churned_from(stream()):
        if name == "dpm_fast":
            return solve(mixture, x, float(sigmas[-2]), float(sigmas[0]), steps, **options)
        if name == "dpm_adaptive":
            return solve(mixture, x, float(sigmas[-2]), float(sigmas[0]), **options)
        return solve(mixture, x, sigmas, **options)


def main(sdist: Path) -> None:
    """Writes the numbers."""
    torch.set_default_dtype(torch.float64)
    sampling = loaded(sdist)
    numbers = {f"sample.{case}": result(sampling, *given) for case, given in CASES.items()}
    for case, (name, given) in SPACINGS.items():
        numbers[f"spacing.{case}"] = getattr(sampling, f"get_sigmas_{name}")(**given)
    save_file(numbers, NUMBERS)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
