"""Pictures laid onto others: at a place through a mask, by the rules of Porter and Duff, or with their transparency."""

from collections.abc import Callable
from typing import NamedTuple, get_args

import torch
from torch import Tensor

from nodeflow.diffusion.channels import colours, opaque
from nodeflow.diffusion.compositing_modes import PorterDuff
from nodeflow.diffusion.errors import ValueRuleError
from nodeflow.diffusion.images import resampled
from nodeflow.diffusion.laying import pasted
from nodeflow.diffusion.masks import stretched
from nodeflow.diffusion.rows import cycled
from nodeflow.diffusion.types import Image, Mask

_LEAST_ALPHA = 1e-5
"""Below this nothing is left to divide by, and a pixel is black."""


def composited(
    destination: Image, source: Image, x: int = 0, y: int = 0, mask: Mask | None = None, *, resize: bool = False
) -> Image:
    """Lays pictures onto others; see `pasted`. The result has the channels of the destination."""
    below = destination.pixels.permute(0, 3, 1, 2)  # b h w c -> b c h w
    above = opaque(source.pixels, below.shape[1]).permute(0, 3, 1, 2)
    return destination.replace(
        pixels=pasted(below, above, x, y, mask, resize=resize).clamp(0.0, 1.0).permute(0, 2, 3, 1)
    )


def joined_alpha(image: Image, mask: Mask) -> Image:
    """Gives pictures transparency: they are transparent where the mask, stretched to their size, is 1.

    Of the smaller batch, rows are taken again from the first.
    """
    rows = max(len(image), len(mask))
    alpha = 1.0 - cycled(stretched(mask, image.width, image.height).values, rows)
    pixels = torch.cat([cycled(colours(image), rows), alpha[..., None]], dim=-1)
    return Image(pixels, image.items if rows == len(image) else ())


def porter_duff(
    source: Image, source_mask: Mask, destination: Image, destination_mask: Mask, mode: PorterDuff = "DST"
) -> tuple[Image, Mask]:
    """Composes pictures with transparency (Porter and Duff, "Compositing Digital Images", 1984; blends of SVG and PDF).

    Args:
        source: The upper pictures, scaled to the size of the lower ones and cut to their proportions.
        source_mask: 1 where they are transparent; scaled in the same way.
        destination: The lower pictures; all alpha channels are left out.
        destination_mask: 1 where they are transparent.
        mode: What is done.

    Returns:
        As many pictures as the smallest of the four batches has, and a mask that is 1 where they are transparent.

    Raises:
        ValueRuleError: The mode is unknown.
    """
    if mode not in get_args(PorterDuff):
        raise ValueRuleError(f"mode {mode!r} is unknown; there are {', '.join(get_args(PorterDuff))}")
    rows = min(len(source), len(source_mask), len(destination), len(destination_mask))
    size = destination.width, destination.height

    def layer(image: Image, mask: Mask) -> _Layer:
        alpha = 1.0 - resampled(mask.values[:rows, ..., None], *size, "bicubic", "center")
        return _Layer(resampled(colours(image)[:rows], *size, "bicubic", "center") * alpha, alpha)

    colour, alpha = _composed(layer(source, source_mask), layer(destination, destination_mask), mode)
    straight = torch.where(alpha > _LEAST_ALPHA, colour / alpha, 0.0).clamp(0.0, 1.0)
    return Image(straight, destination.items[:rows]), Mask((1.0 - alpha).clamp(0.0, 1.0)[..., 0])


class _Layer(NamedTuple):
    """Pictures with transparency.

    Attributes:
        colour: Multiplied by alpha, [B, H, W, 3].
        alpha: [B, H, W, 1].
    """

    colour: Tensor
    alpha: Tensor


def _composed(source: _Layer, destination: _Layer, mode: PorterDuff) -> _Layer:
    if mode in _BLENDS:
        blend, alpha = _BLENDS[mode]
        return _Layer(blend(source, destination), alpha(source.alpha, destination.alpha))
    of_source, of_destination = (_SHARES[share] for share in _PORTER_DUFF[mode])
    upper, lower = of_source(destination.alpha), of_destination(source.alpha)
    colour = upper * source.colour + lower * destination.colour
    return _Layer(colour.clamp(0.0, 1.0), (upper * source.alpha + lower * destination.alpha).clamp(0.0, 1.0))


# The share of a layer that is seen, by the alpha of the other: none, all, where the other is, where it is not.
_SHARES: dict[str, Callable[[Tensor], Tensor]] = {
    "0": torch.zeros_like,
    "1": torch.ones_like,
    "in": lambda other: other,
    "out": lambda other: 1.0 - other,
}

# The share of the source, and that of the destination (table 1 of the paper; ADD is its operator "plus").
_PORTER_DUFF: dict[str, tuple[str, str]] = {
    "ADD": ("1", "1"),
    "CLEAR": ("0", "0"),
    "DST": ("0", "1"),
    "DST_ATOP": ("out", "in"),
    "DST_IN": ("0", "in"),
    "DST_OUT": ("0", "out"),
    "DST_OVER": ("out", "1"),
    "SRC": ("1", "0"),
    "SRC_ATOP": ("in", "out"),
    "SRC_IN": ("in", "0"),
    "SRC_OUT": ("out", "0"),
    "SRC_OVER": ("1", "out"),
    "XOR": ("out", "out"),
}


def _beside(s: _Layer, d: _Layer) -> Tensor:
    """What is seen of each layer where the other is not."""
    return (1 - d.alpha) * s.colour + (1 - s.alpha) * d.colour


def _overlaid(s: _Layer, d: _Layer) -> Tensor:
    light = s.alpha * d.alpha - 2 * (d.alpha - s.colour) * (s.alpha - d.colour)
    return torch.where(2 * d.colour < d.alpha, 2 * s.colour * d.colour, light)


def _union(a: Tensor, b: Tensor) -> Tensor:
    return a + b - a * b


# Colour and alpha of blends. Multiply and overlay leave out what is seen of one layer alone, as ComfyUI does.
_BLENDS: dict[str, tuple[Callable[[_Layer, _Layer], Tensor], Callable[[Tensor, Tensor], Tensor]]] = {
    "DARKEN": (lambda s, d: _beside(s, d) + torch.minimum(s.colour, d.colour), _union),
    "LIGHTEN": (lambda s, d: _beside(s, d) + torch.maximum(s.colour, d.colour), _union),
    "MULTIPLY": (lambda s, d: s.colour * d.colour, torch.mul),
    "OVERLAY": (_overlaid, _union),
    "SCREEN": (lambda s, d: _union(s.colour, d.colour), _union),
}
