"""Nodes that read and resize pictures."""

from pathlib import Path
from typing import Annotated, Literal, NamedTuple

from nodeflow.api import Field, ImageFile, InputError, Lane, Run, node, quiet
from nodeflow.diffusion.types import Image, Mask
from nodeflow_nodes.refusals import blaming

Side = Annotated[int, Field(ge=0, le=16384)]
ImageMethod = Literal["nearest-exact", "bilinear", "area", "bicubic", "lanczos"]


class Picture(NamedTuple):
    """What a picture file holds.

    Attributes:
        image: Its colours.
        mask: 1 where it is transparent, 0 where it is not.
    """

    image: Image
    mask: Mask


@node("LoadImage", category="image", title="Load image", lane=Lane.CPU)
def load_image(image: Annotated[Path, ImageFile()], *, run: Run = quiet) -> Picture:
    """Read a picture file: PNG, JPEG, WebP, GIF, BMP or TIFF, turned upright; the frames of an animation are a batch.

    Args:
        image: A file in the input folder or beside the document.
    """
    from nodeflow.diffusion.pictures import read_picture

    with blaming("image"):
        decoded = read_picture(image)
    if decoded.skipped:
        run.warn(f"{decoded.skipped} frames of another size than the first were left out")
    return Picture(decoded.image, decoded.mask)


class ImageSize(NamedTuple):
    """How large pictures are.

    Attributes:
        width: Pixels from left to right.
        height: Pixels from top to bottom.
        batch_size: How many pictures there are.
    """

    width: int
    height: int
    batch_size: int


@node("GetImageSize", category="image", title="Size of images", lane=Lane.CPU)
def get_image_size(image: Image) -> ImageSize:
    """Tell how large pictures are, for other nodes to go by.

    Args:
        image: The pictures.
    """
    return ImageSize(image.width, image.height, len(image))


@node("ImageScale", category="image", title="Resize image", lane=Lane.CPU)
def image_scale(
    image: Image,
    upscale_method: ImageMethod = "nearest-exact",
    width: Side = 512,
    height: Side = 512,
    crop: Literal["disabled", "center"] = "disabled",
) -> Image:
    """Resize pictures.

    Args:
        image: The pictures.
        upscale_method: How pixels between the old ones are found; lanczos is the sharpest.
        width: Width in pixels; 0 keeps the proportions.
        height: Height in pixels; 0 keeps the proportions.
        crop: Whether to cut the sides off to keep the proportions, or to stretch.
    """
    from nodeflow.diffusion.images import scale_image

    with blaming("width"):
        return scale_image(image, width, height, upscale_method, crop)


@image_scale.check
def _one_side_is_given(width: int, height: int) -> None:
    if not (width or height):
        raise InputError("width", "width and height are both 0; give at least one of them")
