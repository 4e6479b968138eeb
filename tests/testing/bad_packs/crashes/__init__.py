"""A node that ends the process, and one that does not."""

import os

from nodeflow.api import Pack, node

pack = Pack("crashes", "1.0")


@node("crashes.Fall")
def fall(code: int = 7) -> int:
    """End the process.

    Args:
        code: How it ends.
    """
    os._exit(code)


@node("crashes.Add")
def add(number: int = 1) -> str:
    """Add one.

    Args:
        number: To which one is added.
    """
    return number + 1  # type: ignore[return-value]
