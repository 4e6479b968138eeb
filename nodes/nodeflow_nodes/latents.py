"""Nodes that make, resize, turn and cut latents."""

from typing import Annotated, Literal

from nodeflow.api import BatchSize, Field, InputError, node
from nodeflow.diffusion.types import Latent
from nodeflow_nodes.refusals import blaming

Side = Annotated[int, Field(ge=16, le=16384, multiple_of=8)]
Length = Annotated[int, Field(ge=0, le=16384)]
Cropped = Annotated[int, Field(ge=64, le=16384)]
LatentMethod = Literal["nearest-exact", "bilinear", "area", "bicubic", "bislerp"]
Factor = Annotated[float, Field(ge=0.01, le=8.0)]
Rotation = Literal["none", "90 degrees", "180 degrees", "270 degrees"]
Flip = Literal["x-axis: vertically", "y-axis: horizontally"]

_CELL = 8


@node("EmptyLatent", category="latent", title="Empty latent")
def empty_latent(width: Side = 512, height: Side = 512, batch_size: BatchSize = 1) -> Latent:
    """Start from nothing: an empty latent for the sampler to fill with noise.

    Args:
        width: Width of the picture in pixels.
        height: Height of the picture in pixels.
        batch_size: How many pictures to make at once; each gets its own noise.
    """
    from nodeflow.diffusion import latents

    with blaming("width" if width % _CELL else "height"):
        return latents.empty_latent(width, height, batch_size)


@node("LatentUpscale", category="latent", title="Upscale latent")
def latent_upscale(
    latent: Latent,
    upscale_method: LatentMethod = "nearest-exact",
    width: Length = 512,
    height: Length = 512,
    crop: Literal["disabled", "center"] = "disabled",
) -> Latent:
    """Make a latent of a given size; a second sampling pass then adds the detail that is missing.

    Args:
        latent: What to resize.
        upscale_method: How values between the old ones are found; bislerp turns directions and keeps lengths.
        width: Width of the picture in pixels, rounded down to whole cells of 8; 0 keeps the proportions.
        height: Height in the same way; where both are 0 the latent stays as it is.
        crop: Whether to cut the sides off to keep the proportions, or to stretch.
    """
    from nodeflow.diffusion import latents

    with blaming("width" if 0 < width < _CELL else "height"):
        return latents.resize_latent(latent, width, height, upscale_method, crop)


@node("LatentUpscaleBy", category="latent", title="Upscale latent by")
def latent_upscale_by(latent: Latent, upscale_method: LatentMethod = "nearest-exact", scale_by: Factor = 1.5) -> Latent:
    """Make a latent larger or smaller; a second sampling pass then adds the detail that is missing.

    Args:
        latent: What to resize.
        upscale_method: How values between the old ones are found; bislerp turns directions and keeps lengths.
        scale_by: Factor for both sides; the result is whole latent cells, 8 pixels each.
    """
    from nodeflow.diffusion import latents

    with blaming("scale_by"):
        return latents.upscale_latent(latent, scale_by, upscale_method)


@node("LatentRotate", category="latent/transform", title="Rotate latent")
def latent_rotate(latent: Latent, rotation: Rotation = "none") -> Latent:
    """Turn a latent clockwise, and its noise mask with it.

    Args:
        latent: What to turn. Networks are not quite alike in all directions: decoded, it is no exact turn.
        rotation: By how much.
    """
    from nodeflow.diffusion.latents import rotate_latent

    match rotation:
        case "none":
            return latent
        case "90 degrees":
            return rotate_latent(latent, 1)
        case "180 degrees":
            return rotate_latent(latent, 2)
        case "270 degrees":
            return rotate_latent(latent, 3)


@node("LatentFlip", category="latent/transform", title="Flip latent")
def latent_flip(latent: Latent, flip_method: Flip = "x-axis: vertically") -> Latent:
    """Mirror a latent, and its noise mask with it.

    Args:
        latent: What to mirror.
        flip_method: Vertically puts the top to the bottom, horizontally the left to the right.
    """
    from nodeflow.diffusion.latents import flip_latent

    return flip_latent(latent, upside_down=flip_method == "x-axis: vertically")


@node("LatentCrop", category="latent/transform", title="Crop latent")
def latent_crop(latent: Latent, width: Cropped = 512, height: Cropped = 512, x: Length = 0, y: Length = 0) -> Latent:
    """Cut a rectangle out of a latent.

    Args:
        latent: What to cut.
        width: In pixels, rounded down to whole cells of 8; what lies beyond the edge is not there.
        height: In the same way.
        x: Left edge in pixels; moved back where less than 64 pixels would be left.
        y: Upper edge in the same way.
    """
    from nodeflow.diffusion.latents import crop_latent

    with blaming("latent"):
        return crop_latent(latent, x, y, width, height)


@latent_upscale.check
def _has_a_cell(width: int, height: int) -> None:
    for name, size in (("width", width), ("height", height)):
        if 0 < size < _CELL:
            raise InputError(name, f"{size} pixels are less than one cell of {_CELL}; write 0 to keep the proportions")
