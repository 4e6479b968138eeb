"""Two pictures mixed pixel by pixel."""

from collections.abc import Callable
from typing import Literal, get_args

import torch
from torch import Tensor

from nodeflow.diffusion.channels import opaque
from nodeflow.diffusion.errors import ValueRuleError
from nodeflow.diffusion.images import resampled
from nodeflow.diffusion.rows import common_items, common_rows
from nodeflow.diffusion.types import Image

BlendMode = Literal["normal", "multiply", "screen", "overlay", "soft_light", "difference"]


def blended(first: Image, second: Image, share: float = 0.5, mode: BlendMode = "normal") -> Image:
    """Mixes pictures with the blend of them and others.

    Args:
        first: The pictures; the result has their size and channels.
        second: The others, scaled to that size and cut to its proportions; batches of one go with all of the other.
        share: How much of the blend there is, 0..1.
        mode: The blend; soft light is that of W3C, difference is the first minus the second.

    Raises:
        ValueRuleError: The batches are of different sizes, or the mode is unknown.
    """
    if mode not in get_args(BlendMode):
        raise ValueRuleError(f"blend {mode!r} is unknown; there are {', '.join(get_args(BlendMode))}")
    common_rows(len(first), len(second))
    a = first.pixels
    b = resampled(opaque(second.pixels, a.shape[3]), first.width, first.height, "bicubic", "center")
    mixed = a * (1.0 - share) + _MODES[mode](a, b) * share
    return Image(mixed.clamp(0.0, 1.0), common_items(first, second))


def _screen(a: Tensor, b: Tensor) -> Tensor:
    return 1 - (1 - a) * (1 - b)


def _overlay(a: Tensor, b: Tensor) -> Tensor:
    return torch.where(a <= 0.5, 2 * a * b, 1 - 2 * (1 - a) * (1 - b))


def _soft_light(a: Tensor, b: Tensor) -> Tensor:
    lifted = torch.where(a <= 0.25, ((16 * a - 12) * a + 4) * a, a.sqrt())
    return torch.where(b <= 0.5, a - (1 - 2 * b) * a * (1 - a), a + (2 * b - 1) * (lifted - a))


_MODES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "normal": lambda _, b: b,
    "multiply": torch.mul,
    "screen": _screen,
    "overlay": _overlay,
    "soft_light": _soft_light,
    "difference": torch.sub,
}
