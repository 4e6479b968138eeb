"""Nodes that say where, when and how strongly a conditioning holds."""

from dataclasses import replace
from typing import Annotated, Literal

from nodeflow.api import Field, Fraction, InputError, node
from nodeflow.diffusion.types import Area, Conditioning, Mask
from nodeflow_nodes.refusals import blaming

Side = Annotated[int, Field(ge=64, le=16384)]
Corner = Annotated[int, Field(ge=0, le=16384)]
Strength = Annotated[float, Field(ge=0.0, le=10.0)]


@node("ConditioningSetArea", category="conditioning", title="Conditioning (area)")
def conditioning_set_area(
    conditioning: Conditioning,
    width: Side = 64,
    height: Side = 64,
    x: Corner = 0,
    y: Corner = 0,
    strength: Strength = 1.0,
) -> Conditioning:
    """Let a text hold for a rectangle of the picture only; it fades at its inner edges.

    Combine it with other conditionings: what no area covers stays empty. What reaches beyond the picture is cut off.

    Args:
        conditioning: The text.
        width: Width in pixels; all four numbers are rounded down to whole latent cells of 8 pixels.
        height: Height in pixels.
        x: Left edge in pixels.
        y: Upper edge in pixels.
        strength: Weight against other conditionings where they overlap.
    """
    area = Area(float(x), float(y), float(width), float(height))
    return conditioning.map(lambda entry: replace(entry, area=area, strength=strength, mask_bounds=False))


@node("ConditioningSetAreaPercentage", category="conditioning", title="Conditioning (area by shares)")
def conditioning_set_area_percentage(
    conditioning: Conditioning,
    width: Fraction = 1.0,
    height: Fraction = 1.0,
    x: Fraction = 0.0,
    y: Fraction = 0.0,
    strength: Strength = 1.0,
) -> Conditioning:
    """Let a text hold for a rectangle given in shares of the picture, so that it fits every size.

    Args:
        conditioning: The text.
        width: Share of the picture's width.
        height: Share of the picture's height.
        x: Left edge, as a share of the width; below 1.
        y: Upper edge, as a share of the height; below 1.
        strength: Weight against other conditionings where they overlap.
    """
    area = Area(x, y, width, height, relative=True)
    return conditioning.map(lambda entry: replace(entry, area=area, strength=strength, mask_bounds=False))


@conditioning_set_area_percentage.check
def _starts_in_the_picture(x: float, y: float) -> None:
    """An area that begins at the far edge has nothing in the picture."""
    for name, edge in (("x", x), ("y", y)):
        if edge == 1.0:
            raise InputError(name, "1 is the far edge, so the area lies outside of the picture; take less than 1")


@node("ConditioningSetAreaStrength", category="conditioning", title="Conditioning (area strength)")
def conditioning_set_area_strength(conditioning: Conditioning, strength: Strength = 1.0) -> Conditioning:
    """Say how much a conditioning counts against others.

    Args:
        conditioning: The text, with or without an area.
        strength: Its weight; at 0 it is left out.
    """
    return conditioning.map(lambda entry: replace(entry, strength=strength))


@node("ConditioningSetMask", category="conditioning", title="Conditioning (mask)")
def conditioning_set_mask(
    conditioning: Conditioning,
    mask: Mask,
    strength: Strength = 1.0,
    set_cond_area: Literal["default", "mask bounds"] = "default",
) -> Conditioning:
    """Let a text hold where a mask is white.

    Args:
        conditioning: The text.
        mask: 1 where the text holds, 0 where not; stretched to the picture, whatever its size.
        strength: Factor on the mask.
        set_cond_area: "default" lets the network see the whole picture, "mask bounds" only the smallest rectangle
            around the mask, so that what the text says is drawn inside of it.
    """
    bounds = set_cond_area == "mask bounds"
    return conditioning.map(lambda entry: replace(entry, mask=mask, mask_strength=strength, mask_bounds=bounds))


@node("ConditioningSetTimestepRange", category="advanced/conditioning", title="Conditioning (timestep range)")
def conditioning_set_timestep_range(
    conditioning: Conditioning, start: Fraction = 0.0, end: Fraction = 1.0
) -> Conditioning:
    """Let a text hold for a part of the sampling only: the beginning decides composition, the end details.

    Args:
        conditioning: The text.
        start: Share of the noise schedule after which it holds.
        end: Share of the noise schedule until which it holds.
    """
    with blaming("start"):
        return conditioning.map(lambda entry: replace(entry, start=start, end=end))


@conditioning_set_timestep_range.check
def _ends_after_it_starts(start: float, end: float) -> None:
    """A range that ends before it starts would never hold."""
    if start > end:
        raise InputError("start", f"{start:g} comes after the end, {end:g}; exchange them")
