"""What a sampling run is put together from, as plain values: levels, a sampler with options, noise, and a guider.

None of them holds a tensor or imports torch, except a guider by its model and conditionings.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from nodeflow.diffusion.conditionings import Conditioning
from nodeflow.diffusion.errors import ValueRuleError
from nodeflow.diffusion.networks import Model

Option = float | int | str | bool
"""What a sampler's option may be; see the keyword parameters of the samplers."""


@dataclass(frozen=True, slots=True)
class Sigmas:
    """Noise levels to visit, one step between each two.

    Attributes:
        values: 0 or more each; falling for sampling, rising for the way back to noise. Empty: no step.

    Raises:
        ValueRuleError: A level that is negative or not finite.
    """

    values: tuple[float, ...]

    def __post_init__(self) -> None:
        wrong = [value for value in self.values if not 0.0 <= value < float("inf")]
        if wrong:
            raise ValueRuleError(f"sigmas: noise levels are 0 or more, found {wrong[0]:g}")

    def __len__(self) -> int:
        return len(self.values)

    @property
    def steps(self) -> int:
        """How many steps are between them."""
        return max(len(self.values) - 1, 0)


@dataclass(frozen=True, slots=True)
class SamplerChoice:
    """A sampler by name, with options.

    Attributes:
        name: One that is known here, or that a pack has added.
        options: Its keyword parameters, where they differ from what the name stands for.
    """

    name: str
    options: Mapping[str, Option] = field(default_factory=dict[str, Option])


@dataclass(frozen=True, slots=True)
class NoiseChoice:
    """The noise of a run.

    Attributes:
        seed: 0 to 2^64 - 1.
        silent: Nothing is added at the start; the noise of stochastic samplers is still drawn from the seed.
    """

    seed: int = 0
    silent: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Guider:
    """A model and what it should follow.

    Attributes:
        model: The network.
        positive: What the picture should follow.
        negative: What it should be moved away from; None where there is no such side.
        cfg: Guidance scale.
    """

    model: Model
    positive: Conditioning
    negative: Conditioning | None = None
    cfg: float = 1.0

    @property
    def nbytes(self) -> int:
        """Bytes of the conditionings; the model counts for itself."""
        return self.positive.nbytes + (0 if self.negative is None else self.negative.nbytes)
