"""Nodes that change every picture of a batch by itself: its colours, its sharpness, its edges."""

from typing import Annotated, Literal, NamedTuple

from nodeflow.api import Field, Fraction, InputError, Lane, Seed, node
from nodeflow.diffusion.types import Image
from nodeflow_nodes.refusals import blaming

Radius = Annotated[int, Field(ge=1, le=31)]
Sigma = Annotated[float, Field(ge=0.1, le=10.0)]
Sharpness = Annotated[float, Field(ge=0.0, le=5.0)]
Colors = Annotated[int, Field(ge=1, le=256)]
Threshold = Annotated[float, Field(ge=0.01, le=0.99)]
KernelSize = Annotated[int, Field(ge=3, le=999)]


@node("ImageInvert", category="image", title="Invert image", lane=Lane.CPU)
def image_invert(image: Image) -> Image:
    """Turn pictures into their negatives; transparency stays as it is.

    Args:
        image: The pictures.
    """
    from nodeflow.diffusion.channels import colours, recoloured

    return recoloured(image, 1.0 - colours(image))


@node("ImageBlur", category="image/postprocessing", title="Blur image", lane=Lane.CPU)
def image_blur(image: Image, blur_radius: Radius = 1, sigma: Sigma = 1.0) -> Image:
    """Blur pictures; transparency stays as it is.

    Args:
        image: The pictures, larger than the radius.
        blur_radius: How many pixels around each count.
        sigma: Width of the Gaussian by which they count, in radii: 0.5 is a bell, from 1 on it is more and more a box.
    """
    from nodeflow.diffusion.filters import blurred

    with blaming("blur_radius"):
        return blurred(image, blur_radius, sigma)


@node("ImageSharpen", category="image/postprocessing", title="Sharpen image", lane=Lane.CPU)
def image_sharpen(image: Image, sharpen_radius: Radius = 1, sigma: Sigma = 1.0, alpha: Sharpness = 1.0) -> Image:
    """Sharpen pictures by taking their blur away from them; transparency stays as it is.

    Args:
        image: The pictures, larger than the radius.
        sharpen_radius: How many pixels around each count.
        sigma: Width of the Gaussian by which they count, in radii.
        alpha: How strongly; 0 leaves the pictures as they are, 0.1 is a usual unsharp mask.
    """
    from nodeflow.diffusion.filters import sharpened

    with blaming("sharpen_radius"):
        return sharpened(image, sharpen_radius, sigma, alpha)


@node("ImageAddNoise", category="image/postprocessing", title="Add noise to image", lane=Lane.CPU)
def image_add_noise(image: Image, seed: Seed = 0, strength: Fraction = 0.5) -> Image:
    """Add coloured grain to pictures; transparency stays as it is.

    Args:
        image: The pictures; each gets the same noise alone as in its batch.
        seed: The noise is drawn from this.
        strength: Standard deviation of the noise, where colours go from 0 to 1.
    """
    from nodeflow.diffusion.filters import grained

    return grained(image, seed, strength)


@node("ImageQuantize", category="image/postprocessing", title="Reduce colours", lane=Lane.CPU)
def image_quantize(
    image: Image,
    colors: Colors = 256,
    dither: Literal["none", "floyd-steinberg", "bayer-2", "bayer-4", "bayer-8", "bayer-16"] = "none",
) -> Image:
    """Reduce each picture to a few colours that suit it; transparency stays as it is.

    Args:
        image: The pictures.
        colors: How many colours.
        dither: How colours between them are imitated: not at all, by scattered dots, or by a pattern of that size.
    """
    from nodeflow.diffusion.quantizing import quantized

    with blaming("image"):
        return quantized(image, colors, dither)


@node("Canny", category="image/preprocessors", title="Edges (Canny)", lane=Lane.CPU)
def canny(image: Image, low_threshold: Threshold = 0.4, high_threshold: Threshold = 0.8) -> Image:
    """Draw the edges of pictures, white on black.

    Args:
        image: The pictures, at least 3 x 3.
        low_threshold: How steep brightness must change along a whole edge; lower ones give longer edges.
        high_threshold: How steep somewhere on it; lower ones give more edges. From black to white it is about 2.6.
    """
    from nodeflow.diffusion.edges import canny as found

    _thresholds_are_in_order(low_threshold, high_threshold)
    with blaming("image"):
        return found(image, low_threshold, high_threshold)


@canny.check
def _thresholds_are_in_order(low_threshold: float, high_threshold: float) -> None:
    if low_threshold > high_threshold:
        raise InputError("low_threshold", f"{low_threshold:g} is above high_threshold {high_threshold:g}; swap them")


@node("Morphology", category="image/postprocessing", title="Morphology", lane=Lane.CPU)
def morphology(
    image: Image,
    operation: Literal["erode", "dilate", "open", "close", "gradient", "bottom_hat", "top_hat"] = "erode",
    kernel_size: KernelSize = 3,
) -> Image:
    """Let the dark or the bright parts of pictures grow; transparency stays as it is.

    Args:
        image: The pictures.
        operation: `erode` lets dark parts grow, `dilate` bright ones, `open` takes bright specks away and `close` dark
            ones, `top_hat` and `bottom_hat` show what these took away, `gradient` shows edges.
        kernel_size: Side of the square, in pixels, of which the darkest or brightest counts.
    """
    from nodeflow.diffusion.morphology import morphed

    with blaming("kernel_size"):
        return morphed(image, operation, kernel_size)


class Yuv(NamedTuple):
    """Pictures as brightness and two differences of colour, each in grey.

    Attributes:
        y: Brightness.
        u: How much more blue there is than brightness; 0.5 is as much.
        v: How much more red there is; 0.5 is as much.
    """

    y: Image
    u: Image
    v: Image


@node("ImageRGBToYUV", category="image/color", title="Image to YUV", lane=Lane.CPU)
def image_rgb_to_yuv(image: Image) -> Yuv:
    """Take pictures apart into brightness and two differences of colour, as JPEG files do.

    Args:
        image: The pictures; transparency is left out.
    """
    from nodeflow.diffusion.colour_spaces import to_yuv

    return Yuv(*to_yuv(image))


@node("ImageYUVToRGB", category="image/color", title="Image from YUV", lane=Lane.CPU)
def image_yuv_to_rgb(y: Image, u: Image, v: Image) -> Image:
    """Put pictures together from brightness and two differences of colour.

    Args:
        y: Brightness, in grey.
        u: How much more blue there is, 0.5 for as much; of the same size.
        v: How much more red there is, 0.5 for as much; of the same size.
    """
    from nodeflow.diffusion.colour_spaces import from_yuv

    with blaming("u"):
        return from_yuv(y, u, v)
