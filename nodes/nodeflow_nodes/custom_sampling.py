"""Nodes that sample with levels, sampler, noise and guidance chosen one by one."""

from typing import NamedTuple

from nodeflow.api import Guidance, Run, Seed, node, quiet
from nodeflow.diffusion.types import Conditioning, Guider, Latent, Model, NoiseChoice, SamplerChoice, Sigmas
from nodeflow_nodes.refusals import blaming
from nodeflow_nodes.sampling import glance, require_fitting
from nodeflow_nodes.tables import table_with


class Sampled(NamedTuple):
    """What a run gives.

    Attributes:
        output: Where it ended.
        denoised_output: What the picture was expected to become, which is less noisy where noise was left.
    """

    output: Latent
    denoised_output: Latent


@node("SamplerCustom", category="sampling/custom", title="Sampler (custom)")
def sampler_custom(
    model: Model,
    positive: Conditioning,
    negative: Conditioning,
    sampler: SamplerChoice,
    sigmas: Sigmas,
    latent: Latent,
    add_noise: bool = True,
    noise_seed: Seed = 0,
    cfg: Guidance = 8.0,
    *,
    run: Run = quiet,
) -> Sampled:
    """Turn noise into latents over the noise levels given, with a sampler and its options.

    Args:
        model: The denoising network.
        positive: What the picture should show.
        negative: What it should avoid.
        sampler: The method that takes the steps.
        sigmas: The noise levels, one step between each two.
        latent: Where to start.
        add_noise: Whether noise of the first level is added first; a latent that is noisy already needs none.
        noise_seed: The noise is drawn from this, also that of samplers that add noise at every step.
        cfg: How strongly to follow `positive` and avoid `negative`; at 1 `negative` is ignored, in half the time.
    """
    noise = NoiseChoice(noise_seed, silent=not add_noise)
    guider = Guider(model, positive, negative, cfg)
    require_fitting(guider, latent, positive="positive", negative="negative")
    return _sampled(guider, latent, sigmas, sampler, noise, run, "model")


@node("SamplerCustomAdvanced", category="sampling/custom", title="Sampler (custom, with guider)")
def sampler_custom_advanced(
    noise: NoiseChoice, guider: Guider, sampler: SamplerChoice, sigmas: Sigmas, latent: Latent, *, run: Run = quiet
) -> Sampled:
    """Turn noise into latents over the noise levels given, with everything chosen by nodes of its own.

    Args:
        noise: What is added at the start, and where samplers that add noise at every step draw it from.
        guider: The model, and what it should follow.
        sampler: The method that takes the steps.
        sigmas: The noise levels, one step between each two.
        latent: Where to start.
    """
    require_fitting(guider, latent, positive="guider", negative="guider")
    return _sampled(guider, latent, sigmas, sampler, noise, run, "guider")


def _sampled(
    guider: Guider,
    latent: Latent,
    sigmas: Sigmas,
    sampler: SamplerChoice,
    noise: NoiseChoice,
    run: Run,
    blamed: str,
) -> Sampled:
    """A single level is no step, but the noise of that level is added all the same: another run may go on from it."""
    from nodeflow.diffusion.sampling.fitting import require_levels
    from nodeflow.diffusion.sampling.run import sample_custom, steps_of
    from nodeflow.diffusion.sampling.starts import with_noise

    table = table_with(run, sampler=sampler.name)
    with blaming("sigmas", sampler="sampler"):
        require_levels(sigmas, sampler.name, table.sampler(sampler.name), guider.model)
    last = None
    with blaming(blamed, sampler="sampler"):
        total = steps_of(sampler.name, sigmas, table=table)
        steps = sample_custom(guider, latent, sigmas, sampler, noise, table=table)
        for step in run.track(steps, total=total, preview=glance):
            last = step
        if last is not None:
            return Sampled(last.latent, last.denoised)
        if sigmas.values:
            latent = with_noise(guider.model, latent, noise, sigmas.values[0], full=True)
    return Sampled(latent, latent)
