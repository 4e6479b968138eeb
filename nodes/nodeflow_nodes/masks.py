"""Nodes that make masks, show them and change them; 1 is chosen, 0 is not."""

from pathlib import Path
from typing import Annotated, Literal

from nodeflow.api import Field, Fraction, ImageFile, Kind, Lane, Run, node, quiet
from nodeflow.diffusion.types import Image, Mask
from nodeflow_nodes.geometry import tell_what_was_cut
from nodeflow_nodes.refusals import blaming

Length = Annotated[int, Field(ge=1, le=16384)]
Place = Annotated[int, Field(ge=0, le=16384)]
Rgb = Annotated[int, Field(ge=0, le=0xFFFFFF)]
Growth = Annotated[int, Field(ge=-16384, le=16384)]


@node("LoadImageMask", category="mask", title="Load image as mask", lane=Lane.CPU)
def load_image_mask(
    image: Annotated[Path, ImageFile()],
    channel: Literal["alpha", "red", "green", "blue"] = "alpha",
    *,
    run: Run = quiet,
) -> Mask:
    """Read one channel of a picture file as a mask; the frames of an animation are a batch.

    Args:
        image: A file in the input folder or beside the document.
        channel: `alpha` chooses what is transparent, and nothing of files without transparency; the others choose
            what has much of that colour.
    """
    from nodeflow.diffusion.masks import from_channel
    from nodeflow.diffusion.pictures import read_picture

    with blaming("image"):
        decoded = read_picture(image)
    if decoded.skipped:
        run.warn(f"{decoded.skipped} frames of another size than the first were left out")
    return decoded.mask if channel == "alpha" else from_channel(decoded.image, channel)


@node("SolidMask", category="mask", title="Solid mask", lane=Lane.CPU)
def solid_mask(value: Fraction = 1.0, width: Length = 512, height: Length = 512) -> Mask:
    """Make a mask that is the same everywhere.

    Args:
        value: What it is.
        width: Width in pixels.
        height: Height in pixels.
    """
    from nodeflow.diffusion.masks import solid

    with blaming("width"):
        return solid(value, width, height)


@solid_mask.check
def _fits_into_memory(width: int, height: int) -> None:
    from nodeflow.diffusion.room import require_room

    with blaming("width"):
        require_room(1, width, height, 1)


@node("ImageToMask", category="mask", title="Image to mask", lane=Lane.CPU)
def image_to_mask(image: Image, channel: Literal["red", "green", "blue", "alpha"] = "red") -> Mask:
    """Take one channel of pictures as masks.

    Args:
        image: The pictures.
        channel: Which one; alpha, where they have it, is 1 where they are not transparent.
    """
    from nodeflow.diffusion.masks import from_channel

    with blaming("channel"):
        return from_channel(image, channel)


@node("ImageColorToMask", category="mask", title="Colour to mask", lane=Lane.CPU)
def image_color_to_mask(image: Image, color: Rgb = 0) -> Mask:
    """Choose the pixels that have exactly one colour.

    Args:
        image: The pictures.
        color: Red times 65536 plus green times 256 plus blue, each 0 to 255: 0 is black, 16777215 white.
    """
    from nodeflow.diffusion.masks import from_colour

    return from_colour(image, color)


@node("MaskToImage", category="mask", title="Mask to image", lane=Lane.CPU)
def mask_to_image(mask: Mask) -> Image:
    """Make grey pictures of masks: white where they are 1.

    Args:
        mask: The masks.
    """
    return mask.as_image()


@node("MaskPreview", category="mask", title="Preview mask", kind=Kind.EFFECT, lane=Lane.CPU)
def mask_preview(mask: Mask, *, run: Run = quiet) -> None:
    """Show masks on the node without writing them into the output folder.

    Args:
        mask: The masks.
    """
    run.show(mask.as_image())


@node("InvertMask", category="mask", title="Invert mask", lane=Lane.CPU)
def invert_mask(mask: Mask) -> Mask:
    """Choose what was not chosen.

    Args:
        mask: The masks.
    """
    from nodeflow.diffusion.masks import inverted

    return inverted(mask)


@node("ThresholdMask", category="mask", title="Threshold mask", lane=Lane.CPU)
def threshold_mask(mask: Mask, value: Fraction = 0.5) -> Mask:
    """Make masks hard: 1 above a value, and 0 elsewhere.

    Args:
        mask: The masks.
        value: What must be exceeded.
    """
    from nodeflow.diffusion.masks import above

    return above(mask, value)


@node("CropMask", category="mask", title="Crop mask", lane=Lane.CPU)
def crop_mask(
    mask: Mask, x: Place = 0, y: Place = 0, width: Length = 512, height: Length = 512, *, run: Run = quiet
) -> Mask:
    """Cut a rectangle out of masks; where it reaches over their edge, what there is of it.

    Args:
        mask: The masks.
        x: Left column of the rectangle, counted from 0.
        y: Its top row.
        width: Width of it in pixels.
        height: Height of it.
    """
    from nodeflow.diffusion.geometry import window

    with blaming("x"):
        columns = window(x, width, mask.width, "width of the mask")
    with blaming("y"):
        rows = window(y, height, mask.height, "height of the mask")
    cut = Mask(mask.values[:, rows, columns].contiguous())
    tell_what_was_cut(run, (width, height), (cut.width, cut.height))
    return cut


@node("MaskComposite", category="mask", title="Combine masks", lane=Lane.CPU)
def mask_composite(
    destination: Mask,
    source: Mask,
    x: Place = 0,
    y: Place = 0,
    operation: Literal["multiply", "add", "subtract", "and", "or", "xor"] = "multiply",
    *,
    run: Run = quiet,
) -> Mask:
    """Combine masks with others that are put on them at a place; around these they stay as they are.

    Args:
        destination: The masks to put on.
        source: What is put on them; a single one goes with every mask of the other batch.
        x: Column of the destination at which the source begins.
        y: Row at which it begins.
        operation: Arithmetic, kept between 0 and 1, or logic on values that are rounded first.
    """
    from nodeflow.diffusion.masks import combined

    if x >= destination.width or y >= destination.height:
        size = f"{destination.width}x{destination.height}"
        run.warn(f"at x {x}, y {y} the source lies outside the destination of {size}, which stays as it is")
    with blaming("source"):
        return combined(destination, source, x, y, operation)


@node("FeatherMask", category="mask", title="Feather mask", lane=Lane.CPU)
def feather_mask(mask: Mask, left: Place = 0, top: Place = 0, right: Place = 0, bottom: Place = 0) -> Mask:
    """Fade masks out towards their edges, as ComfyUI does.

    So at the right and at the bottom the fade begins one pixel further out, and its faintest step falls on the opposite
    edge.

    Args:
        mask: The masks.
        left: Over how many pixels to fade at the left.
        top: The same above.
        right: The same at the right.
        bottom: The same below.
    """
    from nodeflow.diffusion.masks import feathered

    return feathered(mask, left, top, right, bottom)


@node("GrowMask", category="mask", title="Grow mask", lane=Lane.CPU)
def grow_mask(mask: Mask, expand: Growth = 0, tapered_corners: bool = True) -> Mask:
    """Let what is chosen grow, or shrink; soft edges move as they are.

    Args:
        mask: The masks.
        expand: By how many pixels; below 0 it shrinks, though not from the edges of the picture.
        tapered_corners: Whether corners get blunt: a point grows into a diamond, or else into a square.
    """
    from nodeflow.diffusion.masks import grown

    return grown(mask, expand, tapered=tapered_corners)
