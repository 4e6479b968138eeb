"""Nodes that make noise levels: the schedules, and levels by formula."""

from typing import TYPE_CHECKING, Annotated, Literal, cast

from nodeflow.api import Field, Fraction, Lane, Run, SchedulerName, Steps, node, quiet
from nodeflow.diffusion.types import Model, Sigmas
from nodeflow_nodes.refusals import blaming
from nodeflow_nodes.tables import table_with

if TYPE_CHECKING:
    from torch import Tensor

    from nodeflow.diffusion.sampling.prediction import NoiseLevels

Level = Annotated[float, Field(ge=0, le=5000)]
Factor = Annotated[float, Field(ge=0, le=100)]
Shape = Annotated[float, Field(ge=0, le=50)]

_HIGHEST, _LOWEST = 14.614642, 0.0291675
"""Of Stable Diffusion 1."""


@node("BasicScheduler", category="sampling/schedulers", title="Noise levels of a schedule")
def basic_scheduler(
    model: Model, scheduler: SchedulerName = "simple", steps: Steps = 20, denoise: Fraction = 1.0, *, run: Run = quiet
) -> Sigmas:
    """Make the noise levels of a schedule, as KSampler does.

    KSampler leaves out one level for some samplers (`dpm_2`, `dpm_2_ancestral`, `uni_pc`, `uni_pc_bh2`); this does not.

    Args:
        model: The network whose noise levels these are.
        scheduler: How they are spread over the steps.
        steps: How many steps are made.
        denoise: Share of the whole way that is run: the last `steps` of `steps / denoise`. At 0 there are none.
    """
    from nodeflow.diffusion.sampling.schedules import window

    table = table_with(run, scheduler=scheduler)
    with blaming("denoise"):
        return _sigmas(window(table.schedule(scheduler), _levels(model), steps, denoise))


@node("KarrasScheduler", category="sampling/schedulers", title="Noise levels, Karras", lane=Lane.CPU)
def karras_scheduler(
    steps: Steps = 20, sigma_max: Level = _HIGHEST, sigma_min: Level = _LOWEST, rho: Factor = 7.0
) -> Sigmas:
    """Make noise levels that are denser where there is little noise, the more so the larger `rho`.

    Args:
        steps: How many steps are made; one more to 0 is the last of them.
        sigma_max: The highest level.
        sigma_min: The lowest level above 0.
        rho: 1 is equal distances, 7 is usual.
    """
    from nodeflow.diffusion.sampling import spacings

    with blaming("sigma_min"):
        spacings.require_ends(steps, sigma_min, sigma_max)
    with blaming("rho"):
        return _sigmas(spacings.karras(steps, sigma_min, sigma_max, rho))


@node("ExponentialScheduler", category="sampling/schedulers", title="Noise levels, exponential", lane=Lane.CPU)
def exponential_scheduler(steps: Steps = 20, sigma_max: Level = _HIGHEST, sigma_min: Level = _LOWEST) -> Sigmas:
    """Make noise levels at equal ratios.

    Args:
        steps: How many steps are made; the last one goes to 0.
        sigma_max: The highest level.
        sigma_min: The lowest level above 0.
    """
    from nodeflow.diffusion.sampling import spacings

    with blaming("sigma_min"):
        return _sigmas(spacings.exponential(steps, sigma_min, sigma_max))


@node("PolyexponentialScheduler", category="sampling/schedulers", title="Noise levels, polyexponential", lane=Lane.CPU)
def polyexponential_scheduler(
    steps: Steps = 20, sigma_max: Level = _HIGHEST, sigma_min: Level = _LOWEST, rho: Factor = 1.0
) -> Sigmas:
    """Make noise levels by a power of a line in log sigma.

    Args:
        steps: How many steps are made; the last one goes to 0.
        sigma_max: The highest level.
        sigma_min: The lowest level above 0.
        rho: 1 is equal ratios; above 1 they are denser where there is little noise.
    """
    from nodeflow.diffusion.sampling import spacings

    with blaming("sigma_min"):
        spacings.require_ends(steps, sigma_min, sigma_max)
    with blaming("rho"):
        return _sigmas(spacings.polyexponential(steps, sigma_min, sigma_max, rho))


@node("LaplaceScheduler", category="sampling/schedulers", title="Noise levels, Laplace", lane=Lane.CPU)
def laplace_scheduler(
    steps: Steps = 20,
    sigma_max: Level = _HIGHEST,
    sigma_min: Level = _LOWEST,
    mu: Annotated[float, Field(ge=-10, le=10)] = 0.0,
    beta: Annotated[float, Field(ge=0, le=10)] = 0.5,
) -> Sigmas:
    """Make noise levels at the quantiles of a Laplace distribution of log sigma.

    Args:
        steps: How many levels are made. No step to 0 is added, as in ComfyUI, so some noise stays.
        sigma_max: The highest level.
        sigma_min: The lowest level.
        mu: The log sigma around which the levels gather.
        beta: How far they are spread.
    """
    from nodeflow.diffusion.sampling import spacings

    with blaming("sigma_min"):
        return _sigmas(spacings.laplace(steps, sigma_min, sigma_max, mu, beta))


@node("VPScheduler", category="sampling/schedulers", title="Noise levels, variance preserving", lane=Lane.CPU)
def vp_scheduler(steps: Steps = 20, beta_d: Level = 19.9, beta_min: Level = 0.1, eps_s: Fraction = 0.001) -> Sigmas:
    """Make the noise levels of the continuous variance-preserving process at equal times.

    Args:
        steps: How many steps are made; the last one goes to 0.
        beta_d: How fast the rate of noise grows.
        beta_min: The rate of noise at the start.
        eps_s: The lowest time.
    """
    from nodeflow.diffusion.sampling import spacings

    with blaming("beta_d"):
        return _sigmas(spacings.vp(steps, beta_d, beta_min, eps_s))


@node("BetaSamplingScheduler", category="sampling/schedulers", title="Noise levels, beta distribution")
def beta_sampling_scheduler(model: Model, steps: Steps = 20, alpha: Shape = 0.6, beta: Shape = 0.6) -> Sigmas:
    """Make noise levels at the quantiles of a beta distribution of timesteps.

    Args:
        model: The network whose noise levels these are.
        steps: How many steps are made; fewer where two of very many fall on one timestep.
        alpha: Smaller is denser where there is little noise.
        beta: Smaller is denser where there is much noise.
    """
    from nodeflow.diffusion.sampling import schedules

    with blaming("alpha" if alpha == 0 else "beta"):
        return _sigmas(schedules.beta(_levels(model), steps, alpha, beta))


@node("SDTurboScheduler", category="sampling/schedulers", title="Noise levels of SD-Turbo")
def sd_turbo_scheduler(model: Model, steps: Annotated[int, Field(ge=1, le=10)] = 1, denoise: Fraction = 1.0) -> Sigmas:
    """Make the noise levels that SD-Turbo and SDXL-Turbo were distilled on.

    Args:
        model: The network whose noise levels these are.
        steps: How many of the ten are visited.
        denoise: Share of the ten that is left: at 0.7 the first three are passed over.
    """
    from nodeflow.diffusion.sampling import schedules

    return _sigmas(schedules.sd_turbo(_levels(model), steps, denoise))


@node("AlignYourStepsScheduler", category="sampling/schedulers", title="Noise levels, Align Your Steps", lane=Lane.CPU)
def align_your_steps_scheduler(
    model_type: Literal["SD1", "SDXL", "SVD"] = "SD1",
    steps: Annotated[int, Field(ge=1, le=10_000)] = 10,
    denoise: Fraction = 1.0,
) -> Sigmas:
    """Make noise levels that were optimised for one kind of network, good for few steps.

    Args:
        model_type: Which kind.
        steps: How many steps the whole way has; other than ten are interpolated.
        denoise: Share of the steps that is made, the last ones.
    """
    from nodeflow.diffusion.sampling import schedules

    return _sigmas(schedules.align_your_steps(model_type, steps, denoise))


def _levels(model: Model) -> "NoiseLevels":
    from nodeflow.diffusion.sampling.prediction import levels_of

    return levels_of(model.prediction, zero_terminal=model.zero_terminal)


def _sigmas(levels: "Tensor") -> Sigmas:
    return Sigmas(tuple(cast("list[float]", levels.tolist())))
