"""A node that writes into the pixels it is given."""

from nodeflow.api import Pack, node
from nodeflow.diffusion.types import Image

pack = Pack("mutates_image", "1.0")


@node("mutates_image.Dim")
def dim(image: Image, other: Image) -> Image:
    """Dim a picture.

    Args:
        image: The picture.
        other: Left as it is.
    """
    image.pixels.mul_(0.5)
    return image
