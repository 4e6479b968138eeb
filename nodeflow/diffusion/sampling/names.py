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
        flow: Whether its equations hold for flow models too, or it has others for them.
        flow_path: Where its function for flow models is, if that is another; of the same options.
        drops_penultimate: KSampler computes one step more and leaves out the level before the last, as ComfyUI does.
        negative: It needs what the negative side gives by itself (CFG++), at any guidance scale.
        fresh_mask_noise: Under a noise mask it takes noise of its own, of seed + 1, instead of the run's.
        own_steps: How many steps it makes is decided on its way.
        rises: It can go from low levels to high ones too, from a picture to the noise it comes of.
        levels_at: Options that are noise levels: those that the model has after a share of its schedule, 0 to 1.
    """

    path: str
    options: Mapping[str, Option] = field(default_factory=dict[str, Option])
    flow: bool = False
    flow_path: str = ""
    drops_penultimate: bool = False
    negative: bool = False
    fresh_mask_noise: bool = False
    own_steps: bool = False
    rises: bool = False
    levels_at: Mapping[str, float] = field(default_factory=dict[str, float])


SAMPLERS: Mapping[str, SamplerRow] = MappingProxyType(
    {
        "euler": SamplerRow(f"{_SOLVERS}.euler:euler", flow=True, rises=True),
        "euler_cfg_pp": SamplerRow(f"{_SOLVERS}.euler:euler_cfg_pp", negative=True),
        "euler_ancestral": SamplerRow(
            f"{_SOLVERS}.euler:euler_ancestral", flow=True, flow_path=f"{_SOLVERS}.euler:euler_ancestral_flow"
        ),
        "euler_ancestral_cfg_pp": SamplerRow(f"{_SOLVERS}.euler:euler_ancestral_cfg_pp", negative=True),
        "heun": SamplerRow(f"{_SOLVERS}.heun:heun", flow=True, rises=True),
        "heunpp2": SamplerRow(f"{_SOLVERS}.heun:heunpp2", flow=True),
        "dpm_2": SamplerRow(f"{_SOLVERS}.dpm2:dpm_2", flow=True, rises=True, drops_penultimate=True),
        "dpm_2_ancestral": SamplerRow(f"{_SOLVERS}.dpm2:dpm_2_ancestral", drops_penultimate=True),
        "lms": SamplerRow(f"{_SOLVERS}.lms:lms", flow=True, rises=True),
        "dpm_fast": SamplerRow(f"{_SOLVERS}.dpm_fast:dpm_fast"),
        "dpm_adaptive": SamplerRow(f"{_SOLVERS}.dpm_adaptive:dpm_adaptive", own_steps=True),
        "dpmpp_2s_ancestral": SamplerRow(f"{_SOLVERS}.dpmpp_2s:dpmpp_2s_ancestral"),
        "dpmpp_2s_ancestral_cfg_pp": SamplerRow(f"{_SOLVERS}.dpmpp_2s:dpmpp_2s_ancestral_cfg_pp", negative=True),
        "dpmpp_sde": SamplerRow(f"{_SOLVERS}.dpmpp_sde:dpmpp_sde"),
        "dpmpp_sde_gpu": SamplerRow(f"{_SOLVERS}.dpmpp_sde:dpmpp_sde"),
        "dpmpp_2m": SamplerRow(f"{_SOLVERS}.dpmpp_2m:dpmpp_2m", flow=True, rises=True),
        "dpmpp_2m_cfg_pp": SamplerRow(f"{_SOLVERS}.dpmpp_2m:dpmpp_2m_cfg_pp", negative=True),
        "dpmpp_2m_sde": SamplerRow(f"{_SOLVERS}.dpmpp_2m:dpmpp_2m_sde"),
        "dpmpp_2m_sde_gpu": SamplerRow(f"{_SOLVERS}.dpmpp_2m:dpmpp_2m_sde"),
        "dpmpp_2m_sde_heun": SamplerRow(f"{_SOLVERS}.dpmpp_2m:dpmpp_2m_sde", {"solver_type": "heun"}),
        "dpmpp_2m_sde_heun_gpu": SamplerRow(f"{_SOLVERS}.dpmpp_2m:dpmpp_2m_sde", {"solver_type": "heun"}),
        "dpmpp_3m_sde": SamplerRow(f"{_SOLVERS}.dpmpp_3m:dpmpp_3m_sde"),
        "dpmpp_3m_sde_gpu": SamplerRow(f"{_SOLVERS}.dpmpp_3m:dpmpp_3m_sde"),
        "ddpm": SamplerRow(f"{_SOLVERS}.ddim:ddim", {"eta": 1.0}),
        "lcm": SamplerRow(f"{_SOLVERS}.lcm:lcm"),
        "ipndm": SamplerRow(f"{_SOLVERS}.ipndm:ipndm", flow=True, rises=True),
        "ipndm_v": SamplerRow(f"{_SOLVERS}.ipndm:ipndm_v", flow=True, rises=True),
        "deis": SamplerRow(f"{_SOLVERS}.deis:deis", flow=True, rises=True),
        "res_multistep": SamplerRow(f"{_SOLVERS}.res_multistep:res_multistep", flow=True, rises=True),
        "res_multistep_cfg_pp": SamplerRow(f"{_SOLVERS}.res_multistep:res_multistep_cfg_pp", flow=True, negative=True),
        "res_multistep_ancestral": SamplerRow(f"{_SOLVERS}.res_multistep:res_multistep", {"eta": 1.0}),
        "res_multistep_ancestral_cfg_pp": SamplerRow(
            f"{_SOLVERS}.res_multistep:res_multistep_cfg_pp", {"eta": 1.0}, negative=True
        ),
        "gradient_estimation": SamplerRow(f"{_SOLVERS}.gradient_estimation:gradient_estimation", flow=True, rises=True),
        "gradient_estimation_cfg_pp": SamplerRow(
            f"{_SOLVERS}.gradient_estimation:gradient_estimation_cfg_pp", flow=True, negative=True
        ),
        "er_sde": SamplerRow(f"{_SOLVERS}.er_sde:er_sde"),
        "seeds_2": SamplerRow(f"{_SOLVERS}.seeds:seeds_2"),
        "seeds_3": SamplerRow(f"{_SOLVERS}.seeds:seeds_3"),
        "sa_solver": SamplerRow(f"{_SOLVERS}.sa_solver:sa_solver", levels_at={"sde_high": 0.2, "sde_low": 0.8}),
        "sa_solver_pece": SamplerRow(
            f"{_SOLVERS}.sa_solver:sa_solver", {"use_pece": True}, levels_at={"sde_high": 0.2, "sde_low": 0.8}
        ),
        "ddim": SamplerRow(f"{_SOLVERS}.ddim:ddim", flow=True, fresh_mask_noise=True, rises=True),
        "uni_pc": SamplerRow(f"{_SOLVERS}.uni_pc:uni_pc", drops_penultimate=True),
        "uni_pc_bh2": SamplerRow(f"{_SOLVERS}.uni_pc:uni_pc", {"exponential": True}, drops_penultimate=True),
        "plms": SamplerRow(f"{_SOLVERS}.plms:plms", flow=True, rises=True),
    }
)
"""Name to row, in the order in which they are offered.

Those whose name ends in `_gpu` draw their noise on the CPU like all others: there is no other noise here.
"""

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
