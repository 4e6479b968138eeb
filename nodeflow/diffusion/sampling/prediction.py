"""The boundary between networks and samplers: whatever a network predicts becomes the denoised picture.

Samplers see a `Denoiser` and nothing else. In their variables a noisy latent is `x = x0 + sigma * noise` (Karras et al.
2022, 2206.00364), or `x = (1 - sigma) x0 + sigma * noise` for flow models (Lipman et al. 2023, 2210.02747).
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from nodeflow.diffusion.errors import NonFiniteError
from nodeflow.diffusion.memory import computes_in, threads_for
from nodeflow.diffusion.models.passing import Patch
from nodeflow.diffusion.types import Model, Prediction

_ABOVE_ALL = 999_999_999.9
"""A level that nothing is above."""
_ALMOST_ZERO = 4.8973451890853435e-08
"""Product of all alphas where the last step is pure noise; the number in common use."""
_DATA = 0.5
"""Standard deviation of the data in the weights of consistency models."""


@dataclass(frozen=True, slots=True)
class NoiseLevels:
    """The noise levels a network was trained on.

    Attributes:
        table: float32 [N], rising; entry i belongs to step `stride (i + 1) - 1` of training.
        is_flow: Timesteps are proportional to sigma, not indices into the table.
        stride: Steps of training from one entry to the next.
        exact_logs: float32 [N], the logarithms of the table from before it was rounded; None where they are not known.
            The last digit of a level decides about the noise of a Brownian path.
    """

    table: Tensor
    is_flow: bool = False
    stride: int = 1
    exact_logs: Tensor | None = None

    @property
    def logs(self) -> Tensor:
        """The logarithms of the table, float32 [N]."""
        return self.table.log() if self.exact_logs is None else self.exact_logs

    @property
    def sigma_min(self) -> float:
        """The lowest level."""
        return float(self.table[0])

    @property
    def sigma_max(self) -> float:
        """The highest level."""
        return float(self.table[-1])

    def to(self, device: str | torch.device) -> "NoiseLevels":
        """The same levels, with their table on `device`."""
        exact_logs = None if self.exact_logs is None else self.exact_logs.to(device)
        return replace(self, table=self.table.to(device), exact_logs=exact_logs)

    def timestep(self, sigma: Tensor) -> Tensor:
        """The numbers [B] that tell a network the levels: the nearest entries in log sigma, the lower one on ties."""
        if self.is_flow:
            return sigma * len(self.table)
        distances = (sigma.log() - self.logs.to(sigma.device)[:, None]).abs()  # n b
        return distances.argmin(dim=0).float() * self.stride + (self.stride - 1)

    def sigma(self, timestep: Tensor) -> Tensor:
        """The level [B] at fractional timesteps, interpolated in log sigma."""
        if self.is_flow:
            return timestep / len(self.table)
        position = ((timestep.float() - (self.stride - 1)) / self.stride).clamp(0, len(self.table) - 1)
        low, high, share = position.floor().long(), position.ceil().long(), position.frac()
        return ((1 - share) * self.logs[low] + share * self.logs[high]).exp()

    def at(self, share: float) -> float:
        """The level after a share of all timesteps, counted from the highest: above all levels at 0, and 0 at 1."""
        if share <= 0.0:
            return 1.0 if self.is_flow else _ABOVE_ALL
        if share >= 1.0:
            return 0.0
        last = len(self.table) if self.is_flow else len(self.table) * self.stride - 1
        return float(self.sigma(torch.tensor([last * (1 - share)])))


def scaled_linear_levels(
    steps: int = 1000, start: float = 0.00085, end: float = 0.012, *, zero_terminal: bool = False
) -> NoiseLevels:
    """The levels of Stable Diffusion 1, 2 and XL: betas whose square roots rise linearly (0.0292 to 14.6146).

    Args:
        steps: Of training.
        start: First beta.
        end: Last beta.
        zero_terminal: Square roots of the products of alphas are shifted until nothing of the picture is left at the
            last step, and scaled to keep the first (2305.08891, algorithm 1); the last one is a little above 0 here, so
            that its level (4518.76) is finite.
    """
    betas = torch.linspace(math.sqrt(start), math.sqrt(end), steps, dtype=torch.float64) ** 2
    alphas = torch.cumprod(1 - betas, dim=0)
    if zero_terminal:
        roots = alphas.sqrt()
        alphas = ((roots - roots[-1]) * roots[0] / (roots[0] - roots[-1])) ** 2
        alphas[-1] = _ALMOST_ZERO
    sigmas = ((1 - alphas) / alphas).sqrt()
    return NoiseLevels(sigmas.float(), exact_logs=sigmas.log().float())


def distilled_levels(levels: NoiseLevels, count: int = 50) -> NoiseLevels:
    """Every so many levels up to the highest: those that a consistency model was distilled at (2310.04378)."""
    stride = len(levels.table) // count
    return NoiseLevels(levels.table[stride - 1 :: stride], stride=stride)


def flow_levels(steps: int = 1000) -> NoiseLevels:
    """The levels of rectified flow without shift: 0.001 to 1."""
    return NoiseLevels(torch.arange(1, steps + 1) / steps, is_flow=True)


def levels_of(prediction: Prediction, *, zero_terminal: bool = False) -> NoiseLevels:
    """The noise levels that go with a kind of prediction; `zero_terminal` as in `scaled_linear_levels`."""
    if prediction is Prediction.FLOW:
        return flow_levels()
    levels = scaled_linear_levels(zero_terminal=zero_terminal)
    return distilled_levels(levels) if prediction is Prediction.LCM else levels


def _consistency(x: Tensor, out: Tensor, sigma: Tensor, timestep: Tensor) -> Tensor:
    """Latent consistency models (2310.04378, eq. 9, appendix D): x0 of the noise, and at the lowest steps x itself."""
    scaled = 10 * timestep[:, None, None, None]
    skip = _DATA**2 / (scaled**2 + _DATA**2)
    return skip * x + scaled / (scaled**2 + _DATA**2).sqrt() * (x - sigma * out)


# What a network's output means for x0, given x, sigma [B, 1, 1, 1] and timestep [B or 1].
_DENOISED: dict[Prediction, Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]] = {
    Prediction.EPS: lambda x, out, sigma, _: x - sigma * out,  # DDPM, 2006.11239, eq. 9
    # Progressive distillation, 2202.00512, appendix D, in the variables of 2206.00364.
    Prediction.V: lambda x, out, sigma, _: x / (sigma**2 + 1) - out * sigma / (sigma**2 + 1).sqrt(),
    Prediction.X0: lambda _x, out, _sigma, _: out,
    Prediction.LCM: _consistency,
    Prediction.FLOW: lambda x, out, sigma, _: x - sigma * out,
}


def noised(latent: Tensor, noise: Tensor, sigma: float, levels: NoiseLevels, *, full: bool = False) -> Tensor:
    """Adds noise of a level to a clean latent.

    Args:
        latent: [B, C, h, w] in the network's space.
        noise: The same shape, unit variance.
        sigma: The level.
        levels: The levels of the network.
        full: This is where sampling starts. At the highest level the variance that the latent itself has in training is
            then made up for.
    """
    if levels.is_flow:
        return (1 - sigma) * latent + sigma * noise
    highest = sigma > levels.sigma_max or math.isclose(sigma, levels.sigma_max, rel_tol=1e-5)
    return latent + noise * (math.sqrt(1 + sigma**2) if full and highest else sigma)


@dataclass(frozen=True, slots=True)
class NetworkDenoiser:
    """A network as a function of noisy latents, noise levels and context.

    Attributes:
        network: The UNet.
        prediction: What its output means.
        levels: Its noise levels.
        dtype: The precision it computes in; everything around it is float32.
        patches: What is done otherwise inside the network.
        near: The same levels where the network is, so that no step waits for them to get there.
        seed: Of the run, for patches that choose at random.
    """

    network: nn.Module
    prediction: Prediction
    levels: NoiseLevels
    dtype: torch.dtype
    patches: tuple[Patch, ...] = ()
    near: NoiseLevels | None = None
    seed: int = 0

    @classmethod
    def of(cls, model: Model, seed: int = 0) -> "NetworkDenoiser":
        """The denoiser of a loaded model, for a run with this seed."""
        dtype = computes_in(model.network)
        levels = levels_of(model.prediction, zero_terminal=model.zero_terminal)
        return cls(model.network, model.prediction, levels, dtype, model.patches, levels.to(model.device), seed)

    def patched(self, patch: Patch) -> "NetworkDenoiser":
        """The same network with one more patch."""
        return replace(self, patches=(*self.patches, patch))

    def __call__(
        self, x: Tensor, sigma: Tensor, context: Tensor, pooled: Tensor | None = None, beside: Tensor | None = None
    ) -> Tensor:
        """Denoises under a context.

        Args:
            x: float32 [B, C, h, w].
            sigma: float32 [B].
            context: [B, L, D].
            pooled: [B, P], for networks that take a vector.
            beside: [B, C', h, w], what editing networks see beside the noisy latent.

        Returns:
            float32 [B, C, h, w].

        Raises:
            NonFiniteError: The network produced NaN or infinity. Told on a CPU only: on a GPU looking at every result
                would keep the next step waiting, so there the run looks at its end.
        """
        level = sigma[:, None, None, None]
        scaled = x if self.levels.is_flow else x / (level**2 + 1).sqrt()
        seen = scaled if beside is None else torch.cat([scaled, beside], dim=1)
        vector = None if pooled is None else pooled.to(self.dtype)
        timestep = (self.near or self.levels).timestep(_distinct(sigma))
        with threads_for(self.network, x.device, 2 * x.shape[-2] * x.shape[-1]):  # one picture with guidance
            patches = [patch.at(self.seed, timestep) for patch in self.patches]
            more = {"patches": patches} if patches else {}
            out: Tensor = self.network(seen.to(self.dtype), timestep, context, vector, **more)
        out = out.float()
        if out.device.type == "cpu" and not bool(torch.isfinite(out).all()):
            raise NonFiniteError(
                f"the UNet produced NaN or infinity at sigma {float(sigma.max()):.4g}, "
                f"timestep {float(timestep.max()):.0f}; the model file may be damaged, or try dtype fp32"
            )
        return _DENOISED[self.prediction](x, out, level, timestep)


def _distinct(sigma: Tensor) -> Tensor:
    """One level for all rows where they share it, on a CPU.

    A matrix product of few rows rounds by their number there, and a picture shall not depend on its batch.
    """
    return sigma[:1] if sigma.device.type == "cpu" and bool((sigma == sigma[0]).all()) else sigma
