"""Nodes that lay pictures onto others and mix them."""

from typing import Annotated, Literal, NamedTuple

from nodeflow.api import Field, Fraction, Lane, Run, node, quiet
from nodeflow.diffusion.compositing_modes import PorterDuff
from nodeflow.diffusion.types import Image, Mask
from nodeflow_nodes.refusals import blaming

Place = Annotated[int, Field(ge=0, le=16384)]


class Layer(NamedTuple):
    """Pictures and where they are transparent.

    Attributes:
        image: Their colours.
        mask: 1 where they are transparent, 0 where they are not.
    """

    image: Image
    mask: Mask


@node("ImageCompositeMasked", category="image", title="Composite images through a mask", lane=Lane.CPU)
def image_composite_masked(
    destination: Image,
    source: Image,
    x: Place = 0,
    y: Place = 0,
    resize_source: bool = False,
    mask: Mask | None = None,
    *,
    run: Run = quiet,
) -> Image:
    """Lay pictures onto others at a place; what reaches over their edge is left out.

    Args:
        destination: The pictures to lay onto; there are as many results.
        source: What is laid onto them; where there are fewer, from the first one again.
        x: Column of the destination at which the source begins.
        y: Row at which it begins.
        resize_source: Whether the source is stretched to the size of the destination first.
        mask: How much of the source is seen at each place, 0 to 1; stretched to its size. Without it all is seen.
    """
    from nodeflow.diffusion.compositing import composited

    if x >= destination.width or y >= destination.height:
        size = f"{destination.width}x{destination.height}"
        run.warn(f"at x {x}, y {y} the source lies outside the destination of {size}, which stays as it is")
    return composited(destination, source, x, y, mask, resize=resize_source)


@node("ImageBlend", category="image/postprocessing", title="Blend images", lane=Lane.CPU)
def image_blend(
    image1: Image,
    image2: Image,
    blend_factor: Fraction = 0.5,
    blend_mode: Literal["normal", "multiply", "screen", "overlay", "soft_light", "difference"] = "normal",
) -> Image:
    """Mix pictures with a blend of them and others.

    Args:
        image1: The pictures; the result has their size.
        image2: The others, scaled to that size and cut to its proportions. A batch of one goes with all of the other.
        blend_factor: How much of the blend there is; 0 leaves `image1` as it is.
        blend_mode: The blend: `image2` itself, a product that darkens, one that lightens, both by the brightness of
            `image1` or more gently by that of `image2`, or `image1` minus `image2`.
    """
    from nodeflow.diffusion.blending import blended

    with blaming("image2"):
        return blended(image1, image2, blend_factor, blend_mode)


@node("PorterDuffImageComposite", category="mask/compositing", title="Compose images with transparency", lane=Lane.CPU)
def porter_duff_image_composite(
    source: Image,
    source_alpha: Mask,
    destination: Image,
    destination_alpha: Mask,
    mode: PorterDuff = "DST",
) -> Layer:
    """Compose two layers by a rule of Porter and Duff, or a blend; there are as many results as the fewest inputs.

    Args:
        source: The upper pictures, scaled to the size of the lower ones and cut to their proportions.
        source_alpha: 1 where they are transparent, as LoadImage's mask is.
        destination: The lower pictures.
        destination_alpha: 1 where they are transparent.
        mode: SRC is the source and DST the destination; OVER puts one over the other, IN keeps it where the other is,
            OUT where it is not, ATOP puts it where the other is and keeps the other elsewhere, XOR keeps each where
            the other is not. The rest are sums and blends.
    """
    from nodeflow.diffusion.compositing import porter_duff

    with blaming("source"):
        return Layer(*porter_duff(source, source_alpha, destination, destination_alpha, mode))


@node("SplitImageWithAlpha", category="mask/compositing", title="Split off transparency", lane=Lane.CPU)
def split_image_with_alpha(image: Image) -> Layer:
    """Take pictures apart into their colours and a mask of where they are transparent.

    Args:
        image: The pictures; without an alpha channel they are transparent nowhere.
    """
    from nodeflow.diffusion.channels import split_alpha

    return Layer(*split_alpha(image))


@node("JoinImageWithAlpha", category="mask/compositing", title="Make transparent", lane=Lane.CPU)
def join_image_with_alpha(image: Image, alpha: Mask) -> Image:
    """Make pictures transparent where a mask is 1.

    Args:
        image: The pictures; transparency that they have is replaced.
        alpha: The mask, stretched to their size; of the smaller batch, the first is used again after the last.
    """
    from nodeflow.diffusion.compositing import joined_alpha

    with blaming("alpha"):
        return joined_alpha(image, alpha)
