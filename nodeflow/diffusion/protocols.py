"""What samplers, guidance and networks are to each other: the protocols between them."""

from enum import IntEnum
from typing import NamedTuple, Protocol, runtime_checkable

from torch import Tensor

from nodeflow.diffusion.conditionings import Conditioning
from nodeflow.diffusion.models.passing import Patch


class Denoiser(Protocol):
    """Guesses the picture behind a noisy one; pure, and every row by itself."""

    def __call__(self, x: Tensor, sigma: Tensor) -> Tensor:
        """Denoises.

        Args:
            x: float32 [B, C, h, w], noisy latents in the network's space.
            sigma: float32 [B], how noisy each row is.

        Returns:
            float32 [B, C, h, w], the expected clean latents.
        """
        ...


class Both(NamedTuple):
    """A guess and what the negative side alone gives at the same point, [B, C, h, w] each."""

    denoised: Tensor
    negative: Tensor


@runtime_checkable
class TwoSided(Denoiser, Protocol):
    """A `Denoiser` that can also tell what its negative side gives."""

    def both(self, x: Tensor, sigma: Tensor) -> Both:
        """Denoises; see `Denoiser`."""
        ...


class Sides(Protocol):
    """The two sides of one run, evaluated together and at each point once; every method is a `Denoiser`.

    A point is told by the identity of its tensors: who asks again hands on the very `x` and `sigma` it was given.
    """

    @property
    def scale(self) -> float:
        """Of guidance."""
        ...

    def positive(self, x: Tensor, sigma: Tensor) -> Tensor:
        """What the positive side gives."""
        ...

    def negative(self, x: Tensor, sigma: Tensor) -> Tensor:
        """What the negative side gives."""
        ...

    def alone(self, x: Tensor, sigma: Tensor) -> Tensor:
        """What the positive side gives, where the negative one is not needed at this point."""
        ...

    def apart(self, x: Tensor, sigma: Tensor, patch: Patch | None = None, *, negative: bool = False) -> Tensor:
        """What one side gives by itself: at a point beside the run's, or when its network is patched once more."""
        ...

    def watched(self, patch: Patch, x: Tensor, sigma: Tensor) -> Tensor:
        """What the negative side gives, each of its entries in calls of its own, while a patch looks on.

        The patch must change nothing: the result is the negative side's at this point.
        """
        ...

    def under(self, conditioning: Conditioning, x: Tensor, sigma: Tensor) -> Tensor:
        """What the network gives under one of the conditionings that a guidance brings along (`Guidance.others`)."""
        ...


class Stage(IntEnum):
    """When a guidance has its turn; among those of one stage, in the order in which they were given."""

    JOIN = 0
    """It says how the sides become one picture."""
    LIMIT = 1
    """It says where that is done."""
    ADD = 2
    """It adds to the joined picture."""


class Guidance(Protocol):
    """A change of how a run is guided; a frozen value that a `Model` carries. Subclasses override what they need."""

    @property
    def stage(self) -> Stage:
        """When it has its turn."""
        return Stage.JOIN

    @property
    def needs_negative(self) -> bool:
        """Whether the negative side is wanted even where the scale is 1."""
        return False

    @property
    def others(self) -> tuple[Conditioning, ...]:
        """Conditionings of its own, evaluated in one call with the two sides."""
        return ()

    def seen(self, sides: Sides) -> Sides:
        """The two sides as all guidance is to see them; the first given changes them first."""
        return sides

    def wrap(self, inner: Denoiser, sides: Sides) -> Denoiser:
        """The changed denoiser.

        Args:
            inner: What it replaces; innermost is `guidance.Guided`, classifier-free guidance.
            sides: The two sides, and the scale.
        """
        return inner


class Masking(Protocol):
    """How a noise mask is read as a run goes on; a frozen value that a `Model` carries."""

    def at(self, mask: Tensor, left: Tensor) -> Tensor:
        """The mask at one level.

        Args:
            mask: [B or 1, 1, h, w] in 0..1; 1 is free.
            left: [B, 1, 1, 1], the share of the run's timesteps that is left, from 1 down to 0.

        Returns:
            [B or 1, 1, h, w] in 0..1.
        """
        ...
