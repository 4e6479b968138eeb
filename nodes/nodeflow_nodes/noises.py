"""Nodes that choose the noise of a run, or add it to a latent."""

from typing import NamedTuple

from nodeflow.api import Seed, node
from nodeflow.diffusion.types import Latent, Model, NoiseChoice, Sigmas
from nodeflow_nodes.refusals import blaming


class Noise(NamedTuple):
    """The noise of a run.

    Attributes:
        noise: For a sampler.
    """

    noise: NoiseChoice


@node("RandomNoise", category="sampling/noise", title="Random noise")
def random_noise(noise_seed: Seed = 0) -> Noise:
    """Draw the noise of a run from a seed.

    Args:
        noise_seed: The same seed gives the same noise.
    """
    return Noise(NoiseChoice(noise_seed))


@node("DisableNoise", category="sampling/noise", title="No noise")
def disable_noise() -> Noise:
    """Add no noise at the start, for a latent that is noisy already.

    Samplers that add noise at every step draw it as from seed 0.
    """
    return Noise(NoiseChoice(silent=True))


@node("AddNoise", category="sampling/noise", title="Add noise to a latent")
def add_noise(model: Model, noise: NoiseChoice, sigmas: Sigmas, latent: Latent) -> Latent:
    """Add noise to a latent, as much as lies between the first and the last of the noise levels.

    Args:
        model: The network whose noise levels these are.
        noise: Which noise.
        sigmas: The noise levels; a single one is how much is added, none adds nothing.
        latent: What it is added to.
    """
    from nodeflow.diffusion.sampling.starts import with_noise

    if not sigmas.values:
        return latent
    first, last = sigmas.values[0], sigmas.values[-1]
    with blaming("latent", network="model"):
        return with_noise(model, latent, noise, abs(first - last) if sigmas.steps else first)
