"""Nodes that read, make and resize pictures."""

import math
from pathlib import Path
from typing import Annotated, Literal, NamedTuple

from nodeflow.api import BatchSize, Field, ImageFile, InputError, Lane, OutputImage, Run, node, quiet
from nodeflow.diffusion.types import Image, Mask
from nodeflow_nodes.refusals import blaming

Side = Annotated[int, Field(ge=0, le=16384)]
Length = Annotated[int, Field(ge=1, le=16384)]
Rgb = Annotated[int, Field(ge=0, le=0xFFFFFF)]
Factor = Annotated[float, Field(ge=0.01, le=8.0)]
Megapixels = Annotated[float, Field(ge=0.01, le=16.0)]
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
    return _picture(image, run)


@node("LoadImageOutput", category="image", title="Load image from outputs", lane=Lane.CPU)
def load_image_output(image: Annotated[Path, OutputImage()], *, run: Run = quiet) -> Picture:
    """Read a picture that an earlier run has written; see LoadImage.

    Args:
        image: A file in the output folder, such as `nodeflow_00001.png`, or beside the document.
    """
    return _picture(image, run)


def _picture(image: Path, run: Run) -> Picture:
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


@node("EmptyImage", category="image", title="Empty image", lane=Lane.CPU)
def empty_image(width: Length = 512, height: Length = 512, batch_size: BatchSize = 1, color: Rgb = 0) -> Image:
    """Make pictures of one colour.

    Args:
        width: Width in pixels.
        height: Height in pixels.
        batch_size: How many.
        color: Red times 65536 plus green times 256 plus blue, each 0 to 255: 0 is black, 16777215 white.
    """
    from nodeflow.diffusion.images import plain

    with blaming("width"):
        return plain(width, height, batch_size, color)


@empty_image.check
def _fits_into_memory(width: int, height: int, batch_size: int) -> None:
    from nodeflow.diffusion.room import require_room

    with blaming("width"):
        require_room(batch_size, width, height)


@node("ImageScale", category="image/upscaling", title="Resize image", lane=Lane.CPU)
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


@node("ImageScaleBy", category="image/upscaling", title="Resize image by", lane=Lane.CPU)
def image_scale_by(image: Image, upscale_method: ImageMethod = "nearest-exact", scale_by: Factor = 1.0) -> Image:
    """Make pictures larger or smaller by a factor.

    Args:
        image: The pictures.
        upscale_method: How pixels between the old ones are found; lanczos is the sharpest.
        scale_by: Factor for both sides; the result is whole pixels.
    """
    return _scaled(image, upscale_method, scale_by, "scale_by")


@node("ImageScaleToTotalPixels", category="image/upscaling", title="Resize image to a number of pixels", lane=Lane.CPU)
def image_scale_to_total_pixels(
    image: Image, upscale_method: ImageMethod = "nearest-exact", megapixels: Megapixels = 1.0
) -> Image:
    """Resize pictures so that they have about so many pixels, in their proportions.

    Args:
        image: The pictures.
        upscale_method: How pixels between the old ones are found; lanczos is the sharpest.
        megapixels: How many, in units of 1024 x 1024.
    """
    total = int(megapixels * 1024 * 1024)
    return _scaled(image, upscale_method, math.sqrt(total / (image.width * image.height)), "megapixels")


@node("ImageScaleToMaxDimension", category="image/upscaling", title="Resize image to its longer side", lane=Lane.CPU)
def image_scale_to_max_dimension(
    image: Image,
    upscale_method: Literal["area", "lanczos", "bilinear", "nearest-exact", "bicubic"] = "area",
    largest_size: Side = 512,
) -> Image:
    """Resize pictures so that their longer side has a length, in their proportions.

    Args:
        image: The pictures.
        upscale_method: How pixels between the old ones are found; lanczos is the sharpest.
        largest_size: Length of the longer side in pixels.
    """
    from nodeflow.diffusion.images import scale_image

    _is_some_length(largest_size)
    wide, high = image.width, image.height
    width = largest_size if wide >= high else round(wide / high * largest_size)
    height = largest_size if high >= wide else round(high / wide * largest_size)
    with blaming("largest_size"):
        return scale_image(image, max(1, width), max(1, height), upscale_method)


@image_scale_to_max_dimension.check
def _is_some_length(largest_size: int) -> None:
    if not largest_size:
        raise InputError("largest_size", "0 leaves no pixel; give at least 1")


def _scaled(image: Image, method: ImageMethod, factor: float, blamed: str) -> Image:
    from nodeflow.diffusion.images import scale_image

    width, height = (max(1, round(side * factor)) for side in (image.width, image.height))
    with blaming(blamed):
        return scale_image(image, width, height, method)
