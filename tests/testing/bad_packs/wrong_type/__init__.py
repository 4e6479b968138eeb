"""A node that returns something else than it says."""

from nodeflow.api import Pack, node
from nodeflow.diffusion.types import Image

pack = Pack("wrong_type", "1.0")


@node("wrong_type.Invert")
def invert(number: int = 1) -> Image:
    """Invert something.

    Args:
        number: Of which the negative is made.
    """
    return -number  # type: ignore[return-value]
