"""The built-in samplers and schedules by name, which are ComfyUI's; torch is not needed to know them.

One row says all that a run has to know of a method besides its mathematics.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from nodeflow.diffusion.choices import Option

_SOLVERS = "nodeflow.diffusion.sampling.solvers"
_SCHEDULES = "nodeflow.diffusion.sampling.schedules"


@dataclass(frozen=True, slots=True)
class SamplerRow:
    """A built-in sampler.

    Attributes:
        path: Where its function is, as ``module:function``.
        options: Keyword arguments that the name stands for.
        flow: Whether its equations hold for flow models too.
        drops_penultimate: KSampler computes one step more and leaves out the level before the last, as ComfyUI does.
        negative: It needs what the negative side gives by itself (CFG++), at any guidance scale.
        fresh_mask_noise: Under a noise mask it takes noise of its own, of seed + 1, instead of the run's.
    """

    path: str
    options: Mapping[str, Option] = field(default_factory=dict[str, Option])
    flow: bool = False
    drops_penultimate: bool = False
    negative: bool = False
    fresh_mask_noise: bool = False


SAMPLERS: Mapping[str, SamplerRow] = MappingProxyType(
    {
        "euler": SamplerRow(f"{_SOLVERS}.euler:euler", flow=True),
        "euler_ancestral": SamplerRow(f"{_SOLVERS}.euler:euler_ancestral"),
        "ddim": SamplerRow(f"{_SOLVERS}.euler:euler", flow=True),
        "dpmpp_2m": SamplerRow(f"{_SOLVERS}.dpmpp_2m:dpmpp_2m"),
    }
)
"""Name to row, in the order in which they are offered."""

SCHEDULES: Mapping[str, str] = MappingProxyType(
    {
        "simple": f"{_SCHEDULES}:simple",
        "sgm_uniform": f"{_SCHEDULES}:sgm_uniform",
        "karras": f"{_SCHEDULES}:karras",
        "exponential": f"{_SCHEDULES}:exponential",
        "ddim_uniform": f"{_SCHEDULES}:ddim_uniform",
        "beta": f"{_SCHEDULES}:beta",
        "normal": f"{_SCHEDULES}:normal",
        "linear_quadratic": f"{_SCHEDULES}:linear_quadratic",
        "kl_optimal": f"{_SCHEDULES}:kl_optimal",
    }
)
"""Name to where the function is."""

SAMPLER_NAMES = tuple(SAMPLERS)
SCHEDULER_NAMES = tuple(SCHEDULES)
