"""Nodes that choose a sampler and set its options."""

from typing import Annotated, Literal, NamedTuple

from nodeflow.api import Field, Fraction, Lane, SamplerName, node
from nodeflow.diffusion.types import Model, SamplerChoice

Factor = Annotated[float, Field(ge=0, le=100)]
NoiseDevice = Literal["gpu", "cpu"]

_SUFFIX = {"gpu": "_gpu", "cpu": ""}


class Sampler(NamedTuple):
    """A sampler with its options.

    Attributes:
        sampler: For a node that samples.
    """

    sampler: SamplerChoice


@node("KSamplerSelect", category="sampling/samplers", title="Choose a sampler", lane=Lane.CPU)
def ksampler_select(sampler: SamplerName = "euler") -> Sampler:
    """Choose a sampler by name, with its usual options.

    Args:
        sampler: The method that takes the steps.
    """
    return Sampler(SamplerChoice(sampler))


@node("SamplerEulerAncestral", category="sampling/samplers", lane=Lane.CPU)
def sampler_euler_ancestral(eta: Factor = 1.0, s_noise: Factor = 1.0) -> Sampler:
    """Euler steps that go below the next level, and noise up to it.

    Args:
        eta: How much of each step is noise; 0 is Euler's method.
        s_noise: Factor of that noise.
    """
    return Sampler(SamplerChoice("euler_ancestral", {"eta": eta, "s_noise": s_noise}))


@node("SamplerEulerAncestralCFGPP", category="sampling/samplers", title="Sampler Euler ancestral CFG++", lane=Lane.CPU)
def sampler_euler_ancestral_cfgpp(eta: Fraction = 1.0, s_noise: Annotated[float, Field(ge=0, le=10)] = 1.0) -> Sampler:
    """Euler steps and noise with CFG++, which wants a small guidance scale, 1 to 2.

    Args:
        eta: How much of each step is noise.
        s_noise: Factor of that noise.
    """
    return Sampler(SamplerChoice("euler_ancestral_cfg_pp", {"eta": eta, "s_noise": s_noise}))


@node("SamplerLMS", category="sampling/samplers", lane=Lane.CPU)
def sampler_lms(order: Annotated[int, Field(ge=1, le=100)] = 4) -> Sampler:
    """A linear multistep method of a chosen order.

    Args:
        order: How many steps it looks back on.
    """
    return Sampler(SamplerChoice("lms", {"order": order}))


@node("SamplerDPMPP_2S_Ancestral", category="sampling/samplers", lane=Lane.CPU)
def sampler_dpmpp_2s_ancestral(eta: Factor = 1.0, s_noise: Factor = 1.0) -> Sampler:
    """DPM-Solver++(2S) steps that go below the next level, and noise up to it.

    Args:
        eta: How much of each step is noise.
        s_noise: Factor of that noise.
    """
    return Sampler(SamplerChoice("dpmpp_2s_ancestral", {"eta": eta, "s_noise": s_noise}))


@node("SamplerDPMPP_SDE", category="sampling/samplers", lane=Lane.CPU)
def sampler_dpmpp_sde(
    eta: Factor = 1.0, s_noise: Factor = 1.0, r: Factor = 0.5, noise_device: NoiseDevice = "gpu"
) -> Sampler:
    """DPM-Solver++ with the noise of a Brownian path, two evaluations a step.

    Args:
        eta: How much of each step is noise.
        s_noise: Factor of that noise.
        r: Where in a step the second evaluation is.
        noise_device: Kept for ComfyUI's sake: noise is drawn on the CPU, so that every device gives the same picture.
    """
    return Sampler(SamplerChoice("dpmpp_sde" + _SUFFIX[noise_device], {"eta": eta, "s_noise": s_noise, "r": r}))


@node("SamplerDPMPP_2M_SDE", category="sampling/samplers", lane=Lane.CPU)
def sampler_dpmpp_2m_sde(
    solver_type: Literal["midpoint", "heun"] = "midpoint",
    eta: Factor = 1.0,
    s_noise: Factor = 1.0,
    noise_device: NoiseDevice = "gpu",
) -> Sampler:
    """DPM-Solver++(2M) with the noise of a Brownian path.

    Args:
        solver_type: How the change of the picture over a step is weighed.
        eta: How much of each step is noise.
        s_noise: Factor of that noise.
        noise_device: Kept for ComfyUI's sake: noise is drawn on the CPU, so that every device gives the same picture.
    """
    options = {"eta": eta, "s_noise": s_noise, "solver_type": solver_type}
    return Sampler(SamplerChoice("dpmpp_2m_sde" + _SUFFIX[noise_device], options))


@node("SamplerDPMPP_3M_SDE", category="sampling/samplers", lane=Lane.CPU)
def sampler_dpmpp_3m_sde(eta: Factor = 1.0, s_noise: Factor = 1.0, noise_device: NoiseDevice = "gpu") -> Sampler:
    """DPM-Solver++(3M) with the noise of a Brownian path.

    Args:
        eta: How much of each step is noise.
        s_noise: Factor of that noise.
        noise_device: Kept for ComfyUI's sake: noise is drawn on the CPU, so that every device gives the same picture.
    """
    return Sampler(SamplerChoice("dpmpp_3m_sde" + _SUFFIX[noise_device], {"eta": eta, "s_noise": s_noise}))


@node("SamplerDPMAdaptative", category="sampling/samplers", title="Sampler DPM adaptive", lane=Lane.CPU)
def sampler_dpm_adaptative(
    order: Annotated[int, Field(ge=2, le=3)] = 3,
    rtol: Factor = 0.05,
    atol: Factor = 0.0078,
    h_init: Factor = 0.05,
    pcoeff: Factor = 0.0,
    icoeff: Factor = 1.0,
    dcoeff: Factor = 0.0,
    accept_safety: Factor = 0.81,
    eta: Factor = 0.0,
    s_noise: Factor = 1.0,
) -> Sampler:
    """DPM-Solver with steps as long as the error allows; of the noise levels only the two ends are looked at.

    Args:
        order: Of the method.
        rtol: Allowed error relative to the latent.
        atol: Allowed error besides that.
        h_init: Length of the first step, in log sigma.
        pcoeff: How the length follows the last error, proportionally.
        icoeff: How it follows the sum of errors.
        dcoeff: How it follows the change of errors.
        accept_safety: A step is kept if the length after it would shrink by this factor at most.
        eta: How much of each step is noise.
        s_noise: Factor of that noise.
    """
    options = {
        "order": order,
        "rtol": rtol,
        "atol": atol,
        "h_init": h_init,
        "pcoeff": pcoeff,
        "icoeff": icoeff,
        "dcoeff": dcoeff,
        "accept_safety": accept_safety,
        "eta": eta,
        "s_noise": s_noise,
    }
    return Sampler(SamplerChoice("dpm_adaptive", options))


@node("SamplerER_SDE", category="sampling/samplers", lane=Lane.CPU)
def sampler_er_sde(
    solver_type: Literal["ER-SDE", "Reverse-time SDE", "ODE"] = "ER-SDE",
    max_stage: Annotated[int, Field(ge=1, le=3)] = 3,
    eta: Factor = 1.0,
    s_noise: Factor = 1.0,
) -> Sampler:
    """Extended reverse-time SDE solver.

    Args:
        solver_type: How noise is stirred in; `ODE` stirs in none.
        max_stage: Order of the method.
        eta: How much noise `Reverse-time SDE` stirs in; the others do not look at it.
        s_noise: Factor of that noise.
    """
    options = {"solver_type": solver_type, "max_stage": max_stage, "eta": eta, "s_noise": s_noise}
    return Sampler(SamplerChoice("er_sde", options))


@node("SamplerSASolver", category="sampling/samplers", title="Sampler SA-Solver")
def sampler_sa_solver(
    model: Model,
    eta: Annotated[float, Field(ge=0, le=10)] = 1.0,
    sde_start_percent: Fraction = 0.2,
    sde_end_percent: Fraction = 0.8,
    s_noise: Factor = 1.0,
    predictor_order: Annotated[int, Field(ge=1, le=6)] = 3,
    corrector_order: Annotated[int, Field(ge=0, le=6)] = 4,
    use_pece: bool = False,
    simple_order_2: bool = False,
) -> Sampler:
    """Stochastic Adams solver, which adds noise in the middle of the way only.

    Args:
        model: The network whose noise levels the two shares are of.
        eta: How much of each step is noise, between the two.
        sde_start_percent: Share of the way after which noise is added.
        sde_end_percent: Share of the way until which it is.
        s_noise: Factor of that noise.
        predictor_order: How many steps the prediction looks back on.
        corrector_order: How many the correction looks back on; 0 is none.
        use_pece: Evaluate the network again after each correction, in double the time.
        simple_order_2: Take the plain form of the second order.
    """
    from nodeflow.diffusion.sampling.prediction import levels_of

    levels = levels_of(model.prediction, zero_terminal=model.zero_terminal)
    options = {
        "eta": eta,
        "sde_high": levels.at(sde_start_percent),
        "sde_low": levels.at(sde_end_percent),
        "s_noise": s_noise,
        "predictor_order": predictor_order,
        "corrector_order": corrector_order,
        "use_pece": use_pece,
        "simple_order_2": simple_order_2,
    }
    return Sampler(SamplerChoice("sa_solver", options))
