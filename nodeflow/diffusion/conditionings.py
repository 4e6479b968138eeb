"""What a picture should follow, as values: encoded texts, each with where and when it holds."""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from nodeflow.diffusion.batches import require_finite, require_shape
from nodeflow.diffusion.errors import ValueRuleError
from nodeflow.diffusion.rasters import Latent, Mask

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, slots=True)
class Area:
    """A rectangle of the picture.

    Attributes:
        x: Left edge, in pixels, or as a share of the width.
        y: Upper edge, in pixels, or as a share of the height.
        width: In the same unit. It is one latent cell at least, also where the share is 0.
        height: In the same unit.
        relative: Shares, 0..1, instead of pixels.

    Raises:
        ValueRuleError: A number that is negative or not finite, or a side of no pixels.
    """

    x: float
    y: float
    width: float
    height: float
    relative: bool = False

    def __post_init__(self) -> None:
        edges = (self.x, self.y, self.width, self.height)
        finite = all(0.0 <= edge < float("inf") for edge in edges)
        if not finite or not (self.relative or (self.width and self.height)):
            raise ValueRuleError(f"area: an area of {self.width:g} x {self.height:g} at {self.x:g}, {self.y:g} is none")


@dataclass(frozen=True, slots=True, eq=False)
class Inpaint:
    """What a nine-channel network sees beside the noisy latent.

    Attributes:
        mask: 1 where the picture is to be painted anew.
        latent: The picture with the masked part greyed out, encoded.
    """

    mask: Mask
    latent: Latent


@dataclass(frozen=True, slots=True, eq=False)
class Entry:
    """One thing a picture should follow.

    Attributes:
        context: [1 or B, L, D], what cross-attention looks at; L is a multiple of 77 for CLIP.
        pooled: [1 or B, P], one vector for the whole text, where the family uses one.
        strength: Weight against the other entries of the same conditioning, 0 or more.
        area: The part of the picture it holds for; None for all of it.
        mask: Where it holds, at any size, [1 or B, H, W]; None for everywhere.
        mask_strength: Factor on the mask.
        mask_bounds: The network sees only the bounding box of the mask.
        start: Share of the schedule after which it holds, 0..1.
        end: Share of the schedule until which it holds, 0..1.
        inpaint: What a nine-channel network is told.
        default: It holds where the weights of the other entries of the conditioning stay below 1, for what is missing;
            area, mask and strengths do not matter then.

    Raises:
        ValueRuleError: Another shape, values that are not finite, a number out of its range.
    """

    context: "torch.Tensor"
    pooled: "torch.Tensor | None" = None
    strength: float = 1.0
    area: Area | None = None
    mask: Mask | None = None
    mask_strength: float = 1.0
    mask_bounds: bool = False
    start: float = 0.0
    end: float = 1.0
    inpaint: Inpaint | None = None
    default: bool = False

    def __post_init__(self) -> None:
        require_shape(self.context, "batch, tokens, features", "conditioning")
        require_finite(self.context, "conditioning")
        if self.pooled is not None:
            require_shape(self.pooled, "batch, features", "pooled conditioning")
            require_finite(self.pooled, "pooled conditioning")
        for name, strength in (("strength", self.strength), ("mask strength", self.mask_strength)):
            if not 0.0 <= strength < float("inf"):
                raise ValueRuleError(f"conditioning: {name} must be 0 or more, found {strength:g}")
        if not 0.0 <= self.start <= self.end <= 1.0:
            raise ValueRuleError(f"conditioning: from {self.start:g} to {self.end:g} is no range within 0..1")

    @property
    def nbytes(self) -> int:
        """Bytes the tensors take."""
        beside = () if self.inpaint is None else (self.inpaint.mask, self.inpaint.latent)
        return sum(part.nbytes for part in (self.context, self.pooled, self.mask, *beside) if part is not None)

    def to(self, device: "str | torch.device") -> Self:
        """The same entry on `device`."""
        pooled = None if self.pooled is None else self.pooled.to(device)
        mask = None if self.mask is None else self.mask.to(device)
        inpaint = self.inpaint and Inpaint(self.inpaint.mask.to(device), self.inpaint.latent.to(device))
        return dataclasses.replace(self, context=self.context.to(device), pooled=pooled, mask=mask, inpaint=inpaint)


@dataclass(frozen=True, slots=True, eq=False)
class Conditioning:
    """What a picture should follow: one entry, or several whose denoised pictures are averaged by strength.

    Raises:
        ValueRuleError: There is no entry.
    """

    entries: tuple[Entry, ...]

    def __post_init__(self) -> None:
        if not self.entries:
            raise ValueRuleError("conditioning: at least one entry is needed")

    @property
    def nbytes(self) -> int:
        """Bytes of all entries."""
        return sum(entry.nbytes for entry in self.entries)

    def to(self, device: "str | torch.device") -> Self:
        """The same conditioning on `device`."""
        return type(self)(tuple(entry.to(device) for entry in self.entries))

    def combine(self, other: "Conditioning") -> Self:
        """Both at once: the entries of this one, then those of `other`."""
        return type(self)(self.entries + other.entries)

    def map(self, change: "Callable[[Entry], Entry]") -> Self:
        """The same with every entry changed."""
        return type(self)(tuple(change(entry) for entry in self.entries))
