"""Pictures, masks and latents as values; torch is imported only where tensors are made."""

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from nodeflow.diffusion.batches import (
    Item,
    checked_items,
    joined_items,
    require_equal_sizes,
    require_finite,
    require_shape,
    require_unit_range,
    rows_of,
)
from nodeflow.diffusion.errors import ValueRuleError
from nodeflow.diffusion.latent_formats import LatentFormat

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, slots=True, eq=False)
class Image:
    """A batch of pictures.

    Attributes:
        pixels: float32 [B, H, W, 3 or 4], red-green-blue(-alpha), 0..1.
        items: One `Item` per row; a new batch by default.

    Raises:
        ValueRuleError: Another shape or dtype, or values that are not in 0..1.
    """

    pixels: "torch.Tensor"
    items: tuple[Item, ...] = ()

    def __post_init__(self) -> None:
        require_shape(self.pixels, "batch, height, width, channels", "image")
        if self.pixels.shape[3] not in (3, 4):
            raise ValueRuleError(f"image: 3 or 4 channels are expected last, found shape {list(self.pixels.shape)}")
        require_unit_range(self.pixels, "image")
        object.__setattr__(self, "items", checked_items(self.items, len(self.pixels), "image"))

    def __len__(self) -> int:
        return len(self.pixels)

    @property
    def width(self) -> int:
        """Pixels from left to right."""
        return self.pixels.shape[2]

    @property
    def height(self) -> int:
        """Pixels from top to bottom."""
        return self.pixels.shape[1]

    @property
    def nbytes(self) -> int:
        """Bytes the pixels take."""
        return self.pixels.nbytes

    def to(self, device: "str | torch.device") -> Self:
        """The same pictures on `device`."""
        return self.replace(pixels=self.pixels.to(device))

    def replace(self, *, pixels: "torch.Tensor | None" = None, items: Iterable[Item] | None = None) -> Self:
        """A copy with other pixels or items."""
        return type(self)(self.pixels if pixels is None else pixels, self.items if items is None else tuple(items))

    def select(self, rows: Iterable[int]) -> Self:
        """The chosen rows, each still knowing which item it is."""
        chosen = rows_of(rows, len(self), "image")
        return type(self)(self.pixels[chosen], tuple(self.items[row] for row in chosen))

    def concat(self, *others: "Image") -> Self:
        """All rows of several batches of one size; see `joined_items` for what becomes of the items."""
        import torch

        batches: list[Image] = [self, *others]
        require_equal_sizes([tuple(batch.pixels.shape) for batch in batches], "image")
        return type(self)(torch.cat([batch.pixels for batch in batches]), joined_items(b.items for b in batches))


@dataclass(frozen=True, slots=True, eq=False)
class Mask:
    """A batch of masks.

    Attributes:
        values: float32 [B, H, W], 0..1; 1 marks what is chosen.

    Raises:
        ValueRuleError: Another shape or dtype, or values that are not in 0..1.
    """

    values: "torch.Tensor"

    def __post_init__(self) -> None:
        require_shape(self.values, "batch, height, width", "mask")
        require_unit_range(self.values, "mask")

    def __len__(self) -> int:
        return len(self.values)

    @property
    def width(self) -> int:
        """Pixels from left to right."""
        return self.values.shape[2]

    @property
    def height(self) -> int:
        """Pixels from top to bottom."""
        return self.values.shape[1]

    @property
    def nbytes(self) -> int:
        """Bytes the values take."""
        return self.values.nbytes

    def to(self, device: "str | torch.device") -> Self:
        """The same masks on `device`."""
        return type(self)(self.values.to(device))

    def select(self, rows: Iterable[int]) -> Self:
        """The chosen rows."""
        return type(self)(self.values[rows_of(rows, len(self), "mask")])

    def as_image(self) -> Image:
        """The masks as pictures: white where they are 1."""
        return Image(self.values.unsqueeze(-1).expand(-1, -1, -1, 3))

    def concat(self, *others: "Mask") -> Self:
        """All rows of several batches of one size."""
        import torch

        batches: list[Mask] = [self, *others]
        require_equal_sizes([tuple(batch.values.shape) for batch in batches], "mask")
        return type(self)(torch.cat([batch.values for batch in batches]))


@dataclass(frozen=True, slots=True, eq=False)
class Latent:
    """A batch of latents as the autoencoder gives them (raw: not scaled for the network).

    Attributes:
        samples: Floating point [B, C, h, w]; one cell is `format.factor` pixels wide.
        format: The space they live in; None for an empty latent, which fits any model of so many channels.
        items: One `Item` per row; a new batch by default.
        noise_mask: Where sampling may change the latent: [B or 1, H, W] at any size, or None for everywhere.

    Raises:
        ValueRuleError: Another shape, values that are not finite, channels that are not the format's.
    """

    samples: "torch.Tensor"
    format: LatentFormat | None = None
    items: tuple[Item, ...] = ()
    noise_mask: Mask | None = None

    def __post_init__(self) -> None:
        require_shape(self.samples, "batch, channels, height, width", "latent")
        require_finite(self.samples, "latent")
        if self.format is not None and self.samples.shape[1] != self.format.channels:
            raise ValueRuleError(
                f"latent: {self.format.name} has {self.format.channels} channels, found {list(self.samples.shape)}"
            )
        if self.noise_mask is not None and len(self.noise_mask) not in (1, len(self.samples)):
            raise ValueRuleError(f"latent: {len(self.noise_mask)} noise masks for {len(self.samples)} rows")
        object.__setattr__(self, "items", checked_items(self.items, len(self.samples), "latent"))

    def __len__(self) -> int:
        return len(self.samples)

    @property
    def factor(self) -> int:
        """Pixels per cell along one side (8 where no format says otherwise)."""
        return 8 if self.format is None else self.format.factor

    @property
    def width(self) -> int:
        """Pixels from left to right of the picture this becomes."""
        return self.samples.shape[3] * self.factor

    @property
    def height(self) -> int:
        """Pixels from top to bottom of the picture this becomes."""
        return self.samples.shape[2] * self.factor

    @property
    def nbytes(self) -> int:
        """Bytes the samples and the mask take."""
        return self.samples.nbytes + (0 if self.noise_mask is None else self.noise_mask.nbytes)

    def to(self, device: "str | torch.device") -> Self:
        """The same latents on `device`."""
        mask = None if self.noise_mask is None else self.noise_mask.to(device)
        return dataclasses.replace(self, samples=self.samples.to(device), noise_mask=mask)

    def replace(self, *, samples: "torch.Tensor") -> Self:
        """A copy with other samples of as many rows."""
        return dataclasses.replace(self, samples=samples)

    def select(self, rows: Iterable[int]) -> Self:
        """The chosen rows, each still knowing which item it is."""
        chosen = rows_of(rows, len(self), "latent")
        mask = self.noise_mask
        if mask is not None and len(mask) > 1:
            mask = mask.select(chosen)
        return type(self)(self.samples[chosen], self.format, tuple(self.items[row] for row in chosen), mask)

    def concat(self, *others: "Latent") -> Self:
        """All rows of several batches of one size, format and without masks; for the items see `joined_items`.

        Raises:
            ValueRuleError: Sizes or formats differ, or one of them has a noise mask.
        """
        import torch

        batches: list[Latent] = [self, *others]
        require_equal_sizes([tuple(batch.samples.shape) for batch in batches], "latent")
        formats = {batch.format for batch in batches} - {None}
        if len(formats) > 1:
            names = " and ".join(sorted(each.name for each in formats if each is not None))
            raise ValueRuleError(f"latent: latents of different spaces cannot be joined: {names}")
        if any(batch.noise_mask is not None for batch in batches):
            raise ValueRuleError("latent: latents with a noise mask cannot be joined; take the mask off first")
        samples = torch.cat([batch.samples for batch in batches])
        return type(self)(samples, next(iter(formats), None), joined_items(batch.items for batch in batches))
