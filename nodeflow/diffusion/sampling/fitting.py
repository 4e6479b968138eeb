"""What is checked before a run starts: its numbers, its levels, and whether everything fits the model."""

import math

from nodeflow.diffusion.errors import SamplerError, ValueRuleError
from nodeflow.diffusion.sampling.beside import require_fitting_inpaint, require_known
from nodeflow.diffusion.sampling.conditions import require_fitting
from nodeflow.diffusion.sampling.table import SamplerEntry
from nodeflow.diffusion.types import Guider, Latent, Model, NoiseChoice, Prediction, Sigmas

MAX_SEED = 2**64 - 1
MAX_STEPS = 10_000


def require_numbers(steps: int, denoise: float, start: int, end: int | None) -> None:
    """Checks what says how long a run is.

    Raises:
        ValueRuleError: A number is out of its range.
    """
    if not 1 <= steps <= MAX_STEPS:
        raise ValueRuleError(f"steps {steps} is {'below 1' if steps < 1 else f'above {MAX_STEPS}'}")
    if not 0.0 <= denoise <= 1.0:
        raise ValueRuleError(f"denoise {denoise:g} is not in 0..1")
    for name, step in (("start", start), ("end", end)):
        if step is not None and step < 0:
            raise ValueRuleError(f"{name} step {step} is below 0")


def require_noise(noise: NoiseChoice) -> None:
    """Checks a seed.

    Raises:
        ValueRuleError: It is negative, or does not fit into 64 bits.
    """
    if not 0 <= noise.seed <= MAX_SEED:
        raise ValueRuleError(f"seed {noise.seed} is not in 0..2^64-1")


def require_levels(sigmas: Sigmas, name: str, entry: SamplerEntry, model: Model) -> None:
    """Checks the levels of a run.

    Args:
        sigmas: Those levels.
        name: Of the sampler.
        entry: The sampler.
        model: Whose noise they are of.

    Raises:
        ValueRuleError: They rise and fall, leave 0, or are none of a flow model's.
        SamplerError: They rise though the sampler cannot.
    """
    values = sigmas.values
    falls, rises = list(values) == sorted(values, reverse=True), list(values) == sorted(values)
    if not falls and not rises:
        raise ValueRuleError("sigmas must fall all the way, or rise all the way; these do both")
    if not falls and values[0] == 0.0:
        raise ValueRuleError("sigmas that rise must start above 0; FlipSigmas starts them at 0.0001")
    if not falls and not entry.rises:
        raise SamplerError(f"sampler {name!r} cannot go from low sigmas to high ones; take euler")
    if model.prediction is Prediction.FLOW and values and max(values) > 1.0:
        raise ValueRuleError(f"sigmas of a flow model are not above 1, found {max(values):g}")


def require_fitting_guider(guider: Guider, latent: Latent, name: str, entry: SamplerEntry) -> None:
    """Checks model, conditionings, latent and sampler against each other.

    Args:
        guider: The model and what it follows.
        latent: Where the run starts.
        name: Of the sampler.
        entry: The sampler.

    Raises:
        ValueRuleError: Something does not fit the model, or the sampler needs what there is not.
        SamplerError: The sampler cannot solve models of this kind.
    """
    model = guider.model
    model.require_weights()
    require_known(model)
    require_latent(model, latent)
    for side, conditioning in (("positive", guider.positive), ("negative", guider.negative)):
        if conditioning is not None:
            require_fitting(side, conditioning, model, latent)
            require_fitting_inpaint(side, conditioning, model, latent)
    for other in (other for guidance in model.guidance for other in guidance.others):
        require_fitting("additional", other, model, latent)
    if not math.isfinite(guider.cfg):
        raise ValueRuleError(f"cfg {guider.cfg} is no finite number")
    if model.prediction is Prediction.FLOW and not entry.flow:
        raise SamplerError(f"sampler {name!r} cannot solve flow models; take euler")
    if guider.negative is None:
        _require_no_negative_wanted(guider, name, entry)


def require_latent(model: Model, latent: Latent) -> None:
    """Checks that a latent is of the space that a model works in.

    Raises:
        ValueRuleError: It is of another space, or has another number of channels.
    """
    space = model.latent_format
    if latent.format is not None and latent.format != space:
        raise ValueRuleError(
            f"the latent is of space {latent.format.name}, the model works in {space.name}; "
            "decode it with its own autoencoder and encode the picture with the model's"
        )
    if latent.samples.shape[1] != space.channels:
        raise ValueRuleError(f"the latent has {latent.samples.shape[1]} channels, the model takes {space.channels}")


def _require_no_negative_wanted(guider: Guider, name: str, entry: SamplerEntry) -> None:
    if not math.isclose(guider.cfg, 1.0):
        raise ValueRuleError(f"cfg {guider.cfg:g} needs a negative conditioning; there is none")
    if entry.negative:
        raise ValueRuleError(f"sampler {name!r} needs a negative conditioning; take a CFGGuider instead")
    if any(each.needs_negative for each in guider.model.guidance):
        raise ValueRuleError("the guidance of this model needs a negative conditioning; take a CFGGuider instead")
