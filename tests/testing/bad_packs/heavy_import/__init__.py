"""It imports torch before any node needs it."""

import torch

from nodeflow.api import Pack, node

pack = Pack("heavy_import", "1.0")


@node("heavy_import.Add")
def add(number: int = 1) -> int:
    """Add one.

    Args:
        number: To which one is added.
    """
    return int(torch.tensor(number + 1))
