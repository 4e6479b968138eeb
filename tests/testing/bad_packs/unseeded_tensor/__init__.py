"""A node whose noise does not come from its seed."""

from nodeflow.api import Pack, Seed, node
from nodeflow.diffusion.types import Image

pack = Pack("unseeded_tensor", "1.0")


@node("unseeded_tensor.Noise")
def noise(seed: Seed = 0) -> Image:
    """A picture of noise.

    Args:
        seed: Looks as if it were used.
    """
    import torch

    return Image(torch.rand(1, 8, 8, 3))
