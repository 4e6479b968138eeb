"""Nodes that cut, turn, mirror, pad and join pictures."""

from typing import Annotated, Literal, NamedTuple

from nodeflow.api import Field, Lane, Run, node, quiet
from nodeflow.diffusion.types import Image, Mask
from nodeflow_nodes.refusals import blaming

Length = Annotated[int, Field(ge=1, le=16384)]
Place = Annotated[int, Field(ge=0, le=16384)]
Spacing = Annotated[int, Field(ge=0, le=1024)]

_TURNS = {"none": 0, "90 degrees": 1, "180 degrees": 2, "270 degrees": 3}


@node("ImageCrop", category="image/transform", title="Crop image", lane=Lane.CPU)
def image_crop(
    image: Image, width: Length = 512, height: Length = 512, x: Place = 0, y: Place = 0, *, run: Run = quiet
) -> Image:
    """Cut a rectangle out of pictures; where it reaches over their edge, what there is of it.

    Args:
        image: The pictures.
        width: Width of the rectangle in pixels.
        height: Height of it.
        x: Its left column, counted from 0.
        y: Its top row.
    """
    from nodeflow.diffusion.geometry import window

    with blaming("x"):
        columns = window(x, width, image.width, "width of the picture")
    with blaming("y"):
        rows = window(y, height, image.height, "height of the picture")
    cut = image.replace(pixels=image.pixels[:, rows, columns].contiguous())
    tell_what_was_cut(run, (width, height), (cut.width, cut.height))
    return cut


def tell_what_was_cut(run: Run, wanted: tuple[int, int], found: tuple[int, int]) -> None:
    """Warn that a crop is smaller than asked for."""
    if wanted != found:
        asked, given = (f"{width}x{height}" for width, height in (wanted, found))
        run.warn(f"the crop of {asked} reaches over the edge, and {given} are left of it")


class Padded(NamedTuple):
    """What is to be painted over the edge.

    Attributes:
        image: The pictures on a larger, grey canvas.
        mask: 1 on the new parts, falling to 0 over the feathered band inside the old ones.
    """

    image: Image
    mask: Mask


@node("ImagePadForOutpaint", category="image/transform", title="Pad image for outpainting", lane=Lane.CPU)
def image_pad_for_outpaint(
    image: Image,
    left: Place = 0,
    top: Place = 0,
    right: Place = 0,
    bottom: Place = 0,
    feathering: Place = 40,
    *,
    run: Run = quiet,
) -> Padded:
    """Make room around pictures, and a mask of it, for a model to paint there.

    Args:
        image: The pictures.
        left: Pixels to add at the left; multiples of 8 are kept whole by the autoencoder.
        top: Pixels to add above.
        right: Pixels to add at the right.
        bottom: Pixels to add below.
        feathering: Width of the band inside the old picture that is painted over more and more towards the new part.
    """
    from nodeflow.diffusion.geometry import padded_for_outpaint

    if feathering and 2 * feathering >= min(image.width, image.height):
        size = f"{image.width}x{image.height}"
        run.warn(f"feathering {feathering} is too wide for pictures of {size} and left out; stay below half a side")
    with blaming("image"):
        return Padded(*padded_for_outpaint(image, left, top, right, bottom, feathering))


@node("ImageRotate", category="image/transform", title="Rotate image", lane=Lane.CPU)
def image_rotate(image: Image, rotation: Literal["none", "90 degrees", "180 degrees", "270 degrees"] = "none") -> Image:
    """Turn pictures clockwise.

    Args:
        image: The pictures.
        rotation: How far.
    """
    from nodeflow.diffusion.geometry import turned

    return turned(image, _TURNS[rotation])


@node("ImageFlip", category="image/transform", title="Flip image", lane=Lane.CPU)
def image_flip(
    image: Image, flip_method: Literal["x-axis: vertically", "y-axis: horizontally"] = "x-axis: vertically"
) -> Image:
    """Mirror pictures.

    Args:
        image: The pictures.
        flip_method: Around which axis: vertically puts what is above below, horizontally swaps left and right.
    """
    from nodeflow.diffusion.geometry import mirrored

    return mirrored(image, upside_down=flip_method == "x-axis: vertically")


@node("ImageStitch", category="image/transform", title="Stitch images", lane=Lane.CPU)
def image_stitch(
    image1: Image,
    image2: Image | None = None,
    direction: Literal["right", "down", "left", "up"] = "right",
    match_image_size: bool = True,
    spacing_width: Spacing = 0,
    spacing_color: Literal["white", "black", "red", "green", "blue"] = "white",
) -> Image:
    """Put pictures beside each other; of the smaller batch the last one is repeated.

    Args:
        image1: The pictures whose size counts.
        image2: What comes beside them; without it nothing does.
        direction: On which side of `image1` it comes.
        match_image_size: Whether `image2` is scaled to the height of `image1` (to its width for down and up); if not,
            the smaller one is centred, on white where `spacing_color` is white, and else on black.
        spacing_width: Pixels between them; an odd number is rounded up.
        spacing_color: Colour of the space between them.
    """
    from nodeflow.diffusion.geometry import stitched

    if image2 is None:
        return image1
    with blaming("image2"):
        return stitched(
            image1, image2, direction, match_size=match_image_size, spacing=spacing_width, colour=spacing_color
        )


@node("ResizeAndPadImage", category="image/transform", title="Resize and pad image", lane=Lane.CPU)
def resize_and_pad_image(
    image: Image,
    target_width: Length = 512,
    target_height: Length = 512,
    padding_color: Literal["white", "black"] = "white",
    interpolation: Literal["area", "bicubic", "nearest-exact", "bilinear", "lanczos"] = "area",
) -> Image:
    """Fit whole pictures into a size in their proportions, and fill the rest of it with a colour.

    Args:
        image: The pictures.
        target_width: Width of the result in pixels.
        target_height: Height of it.
        padding_color: What fills the rest.
        interpolation: How pixels between the old ones are found; lanczos is the sharpest.
    """
    from nodeflow.diffusion.geometry import fitted

    with blaming("target_width"):
        return fitted(image, target_width, target_height, white=padding_color == "white", method=interpolation)
