"""A plain picture."""

from typing import Annotated, cast

from base_pack.colours import Colour
from nodeflow.api import Open, Run, Size, node, quiet
from nodeflow.diffusion.types import Image


@node("base_pack.Fill", category="colour")
def fill(
    colour: Annotated[str, Open("base_pack.colours")] = "base_pack.black", size: Size = 64, *, run: Run = quiet
) -> Image:
    """A square of one colour.

    Args:
        colour: One of the colours that packs have added.
        size: Pixels on either side.
    """
    import torch

    rgb = cast(Colour, run.extensions("base_pack.colours")[colour])
    return Image(torch.tensor(rgb, dtype=torch.float32).div(255).expand(1, size, size, 3).clone())
