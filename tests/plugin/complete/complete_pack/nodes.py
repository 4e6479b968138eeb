"""Palettes of pictures, pictures of palettes, and the names of colours."""

from collections.abc import Mapping
from typing import Annotated, Any

from base_pack.colours import Colour, distance, nearest_name

from complete_pack.palette import Palette
from nodeflow.api import Field, InputError, Run, migrates, node, quiet
from nodeflow.diffusion.types import Image


@node("complete.Palette", category="colour", version=2)
def palette(
    image: Image, count: Annotated[int, Field(ge=1, le=16)] = 4, sample: int = 4000, *, run: Run = quiet
) -> Palette:
    """The colours that a picture is mostly made of, by k-means over its pixels.

    Args:
        image: Of several pictures the first one counts.
        count: How many colours.
        sample: How many pixels to look at.
    """
    from nodeflow.diffusion.images import to_uint8

    pixels: list[Colour] = [tuple(pixel[:3]) for row in to_uint8(image)[0].tolist() for pixel in row]
    pixels = pixels[:: max(1, len(pixels) // sample)]
    ordered = sorted(pixels, key=sum)
    centres = [ordered[(2 * index + 1) * len(ordered) // (2 * count)] for index in range(count)]
    groups: list[list[Colour]] = []
    for _ in run.track(range(int(run.setting("rounds")))):
        groups = [[] for _ in centres]
        for pixel in pixels:
            groups[min(range(count), key=lambda index: distance(centres[index], pixel))].append(pixel)
        centres = [_mean(group) if group else centre for group, centre in zip(groups, centres, strict=True)]
    return Palette(tuple(centres[index] for index in sorted(range(count), key=lambda index: -len(groups[index]))))


@palette.check
def enough_pixels(count: int, sample: int) -> None:
    """A palette has no more colours than pixels were looked at."""
    if sample < count:
        raise InputError("sample", f"must be at least the number of colours; try {count}")


@migrates("complete.Palette", 1)
def colors_are_counted(inputs: dict[str, Any]) -> Mapping[str, Any]:
    """Version 1 said ``colors`` for ``count``."""
    return {("count" if name == "colors" else name): value for name, value in inputs.items()}


@node("complete.Stripes", category="colour", converts=True)
def stripes(palette: Palette, *, run: Run = quiet) -> Image:
    """A picture of a palette: one stripe for each colour.

    Args:
        palette: From left to right, as the palette has them.
    """
    import torch

    width = int(run.setting("stripe"))
    colours = torch.tensor(palette.colours, dtype=torch.float32).div(255).repeat_interleave(width, dim=0)
    return Image(colours.expand(1, 4 * width, -1, -1).clone())


@node("complete.Names", category="colour")
def colour_names(palette: Palette) -> list[str]:
    """What people would call the colours of a palette.

    Args:
        palette: One name comes out for each of its colours.
    """
    return [nearest_name(colour) for colour in palette.colours]


def _mean(colours: list[Colour]) -> Colour:
    red, green, blue = (round(sum(parts) / len(colours)) for parts in zip(*colours, strict=True))
    return red, green, blue
