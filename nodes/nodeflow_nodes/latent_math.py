"""Nodes that put latents together."""

from typing import Annotated, Literal

from nodeflow.api import Field, node
from nodeflow.diffusion.types import Latent, Mask
from nodeflow_nodes.refusals import blaming

Share = Annotated[float, Field(ge=0.0, le=1.0)]
Corner = Annotated[int, Field(ge=0, le=16384)]
Shift = Annotated[int, Field(ge=-16384, le=16384)]
Direction = Literal["x", "-x", "y", "-y"]


@node("LatentAdd", category="latent/advanced", title="Add latents")
def latent_add(latent1: Latent, latent2: Latent) -> Latent:
    """Add two latents, value by value.

    Args:
        latent1: Gives size, items and noise mask.
        latent2: Scaled to the first where its size differs.
    """
    from nodeflow.diffusion.latent_arithmetic import add

    with blaming("latent2"):
        return add(latent1, latent2)


@node("LatentSubtract", category="latent/advanced", title="Subtract latents")
def latent_subtract(latent1: Latent, latent2: Latent) -> Latent:
    """Take one latent away from another, value by value.

    Args:
        latent1: Gives size, items and noise mask.
        latent2: What is taken away; scaled to the first where its size differs.
    """
    from nodeflow.diffusion.latent_arithmetic import subtract

    with blaming("latent2"):
        return subtract(latent1, latent2)


@node("LatentMultiply", category="latent/advanced", title="Multiply latent")
def latent_multiply(latent: Latent, multiplier: Annotated[float, Field(ge=-10.0, le=10.0)] = 1.0) -> Latent:
    """Multiply every value of a latent.

    Args:
        latent: What to multiply.
        multiplier: By how much; below 1 makes a picture flatter.
    """
    from nodeflow.diffusion.latent_arithmetic import multiply

    return multiply(latent, multiplier)


@node("LatentInterpolate", category="latent/advanced", title="Interpolate latents")
def latent_interpolate(latent1: Latent, latent2: Latent, ratio: Share = 1.0) -> Latent:
    """Mix two latents; unlike that of LatentBlend, the mix is not duller than its parts.

    Args:
        latent1: Gives size, items and noise mask.
        latent2: Scaled to the first where its size differs.
        ratio: 1 gives the first, 0 the second.
    """
    from nodeflow.diffusion.latent_arithmetic import interpolate

    with blaming("latent2"):
        return interpolate(latent1, latent2, ratio)


@node("LatentBlend", category="latent", title="Blend latents")
def latent_blend(latent1: Latent, latent2: Latent, blend_factor: Share = 0.5) -> Latent:
    """Mix two latents, value by value.

    Args:
        latent1: Gives size, items and noise mask.
        latent2: Scaled to the first where its size differs.
        blend_factor: 1 gives the first, 0 the second.
    """
    from nodeflow.diffusion.latent_arithmetic import blend

    with blaming("latent2"):
        return blend(latent1, latent2, blend_factor)


@node("LatentConcat", category="latent/advanced", title="Join latents")
def latent_concat(latent1: Latent, latent2: Latent, dim: Direction = "x") -> Latent:
    """Put two latents side by side.

    Args:
        latent1: Gives items.
        latent2: As high (x) or as wide (y) as the first.
        dim: Where the second goes: to the right (x), to the left (-x), below (y) or above (-y).
    """
    from nodeflow.diffusion.latent_arithmetic import side_by_side

    with blaming("latent2"):
        return side_by_side(latent1, latent2, dim)


@node("LatentCut", category="latent/advanced", title="Cut a strip of a latent")
def latent_cut(
    latent: Latent,
    dim: Literal["x", "y"] = "x",
    index: Shift = 0,
    amount: Annotated[int, Field(ge=1, le=16384)] = 1,
) -> Latent:
    """Take a strip of cells, 8 pixels each, out of a latent.

    Args:
        latent: What to cut.
        dim: x takes columns, y takes rows.
        index: The first one, from 0; negative ones count from the end.
        amount: How many.
    """
    from nodeflow.diffusion.latent_arithmetic import cut

    return cut(latent, dim, index, amount)


@node("LatentComposite", category="latent", title="Lay latent over latent")
def latent_composite(
    latent_to: Latent, latent_from: Latent, x: Corner = 0, y: Corner = 0, feather: Corner = 0
) -> Latent:
    """Lay one latent over another.

    Args:
        latent_to: What is below; gives size, items and noise mask.
        latent_from: What is laid over it; cut off at the edges.
        x: Left edge in pixels, rounded down to whole cells of 8.
        y: Upper edge in the same way.
        feather: Width of the soft edge in pixels, on the sides that are not an edge of the whole.
    """
    from nodeflow.diffusion.latent_arithmetic import composite

    with blaming("latent_from"):
        return composite(latent_to, latent_from, x, y, feather)


@node("LatentCompositeMasked", category="latent", title="Lay latent over latent, masked")
def latent_composite_masked(
    destination: Latent,
    source: Latent,
    x: Shift = 0,
    y: Shift = 0,
    resize_source: bool = False,
    mask: Mask | None = None,
) -> Latent:
    """Lay one latent over another where a mask is white.

    Args:
        destination: What is below; gives size, items and noise mask.
        source: What is laid over it; cut off at the edges.
        x: Left edge in pixels, rounded down to whole cells of 8; negative ones begin outside.
        y: Upper edge in the same way.
        resize_source: Scale the source to the size of the destination first.
        mask: Stretched over the source; without one all of it is laid over.
    """
    from nodeflow.diffusion.latent_arithmetic import composite_masked

    with blaming("source"):
        return composite_masked(destination, source, x, y, mask, resize=resize_source)
