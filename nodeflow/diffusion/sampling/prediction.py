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
from nodeflow.diffusion.memory import threads_for
from nodeflow.diffusion.models.passing import Patch
from nodeflow.diffusion.types import Model, Prediction


@dataclass(frozen=True, slots=True)
class NoiseLevels:
    """The noise levels a network was trained on.

    Attributes:
        table: float32 [N], rising; entry i belongs to the i-th step of training.
        is_flow: Timesteps are proportional to sigma, not indices into the table.
    """

    table: Tensor
    is_flow: bool = False

    @property
    def sigma_min(self) -> float:
        """The lowest level."""
        return float(self.table[0])

    @property
    def sigma_max(self) -> float:
        """The highest level."""
        return float(self.table[-1])

    def timestep(self, sigma: Tensor) -> Tensor:
        """The numbers [B] that tell a network the levels: the nearest entries in log sigma, the lower one on ties."""
        if self.is_flow:
            return sigma * len(self.table)
        distances = (sigma.log() - self.table.to(sigma.device).log()[:, None]).abs()  # n b
        return distances.argmin(dim=0).float()

    def sigma(self, timestep: Tensor) -> Tensor:
        """The level [B] at fractional timesteps, interpolated in log sigma."""
        if self.is_flow:
            return timestep / len(self.table)
        position = timestep.float().clamp(0, len(self.table) - 1)
        low, high, share = position.floor().long(), position.ceil().long(), position.frac()
        logs = self.table.log()
        return ((1 - share) * logs[low] + share * logs[high]).exp()


def scaled_linear_levels(steps: int = 1000, start: float = 0.00085, end: float = 0.012) -> NoiseLevels:
    """The levels of Stable Diffusion 1, 2 and XL: betas whose square roots rise linearly (0.0292 to 14.6146)."""
    betas = torch.linspace(math.sqrt(start), math.sqrt(end), steps, dtype=torch.float64) ** 2
    alphas = torch.cumprod(1 - betas, dim=0)
    return NoiseLevels(((1 - alphas) / alphas).sqrt().float())


def flow_levels(steps: int = 1000) -> NoiseLevels:
    """The levels of rectified flow without shift: 0.001 to 1."""
    return NoiseLevels(torch.arange(1, steps + 1) / steps, is_flow=True)


def levels_of(prediction: Prediction) -> NoiseLevels:
    """The noise levels that go with a kind of prediction."""
    return flow_levels() if prediction is Prediction.FLOW else scaled_linear_levels()


# What a network's output means for x0, given x and sigma [B, 1, 1, 1].
_DENOISED: dict[Prediction, Callable[[Tensor, Tensor, Tensor], Tensor]] = {
    Prediction.EPS: lambda x, out, sigma: x - sigma * out,  # DDPM, 2006.11239, eq. 9
    # Progressive distillation, 2202.00512, appendix D, in the variables of 2206.00364.
    Prediction.V: lambda x, out, sigma: x / (sigma**2 + 1) - out * sigma / (sigma**2 + 1).sqrt(),
    Prediction.X0: lambda _x, out, _sigma: out,
    Prediction.FLOW: lambda x, out, sigma: x - sigma * out,
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
    """

    network: nn.Module
    prediction: Prediction
    levels: NoiseLevels
    dtype: torch.dtype
    patches: tuple[Patch, ...] = ()

    @classmethod
    def of(cls, model: Model) -> "NetworkDenoiser":
        """The denoiser of a loaded model."""
        dtype = next(model.network.parameters()).dtype
        return cls(model.network, model.prediction, levels_of(model.prediction), dtype, model.patches)

    def patched(self, patch: Patch) -> "NetworkDenoiser":
        """The same network with one more patch."""
        return replace(self, patches=(*self.patches, patch))

    def __call__(self, x: Tensor, sigma: Tensor, context: Tensor, pooled: Tensor | None = None) -> Tensor:
        """Denoises under a context.

        Args:
            x: float32 [B, C, h, w].
            sigma: float32 [B].
            context: [B, L, D].
            pooled: [B, P], for networks that take a vector.

        Returns:
            float32 [B, C, h, w].

        Raises:
            NonFiniteError: The network produced NaN or infinity.
        """
        level = sigma[:, None, None, None]
        scaled = x if self.levels.is_flow else x / (level**2 + 1).sqrt()
        vector = None if pooled is None else pooled.to(self.dtype)
        # Rows at one level share one timestep: a matrix product of few rows rounds by their number, and a picture shall
        # not depend on its batch.
        timestep = self.levels.timestep(sigma[:1] if bool((sigma == sigma[0]).all()) else sigma)
        with threads_for(self.network, x.device, 2 * x.shape[-2] * x.shape[-1]):  # one picture with guidance
            more = {"patches": self.patches} if self.patches else {}
            out: Tensor = self.network(scaled.to(self.dtype), timestep, context.to(self.dtype), vector, **more)
        out = out.float()
        if not bool(torch.isfinite(out).all()):
            raise NonFiniteError(
                f"the UNet produced NaN or infinity at sigma {float(sigma.max()):.4g}, "
                f"timestep {float(timestep.max()):.0f}; the model file may be damaged, or try dtype fp32"
            )
        return _DENOISED[self.prediction](x, out, level)
