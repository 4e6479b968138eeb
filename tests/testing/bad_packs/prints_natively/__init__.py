"""A node that writes to standard output without asking Python."""

import os

from nodeflow.api import Pack, node

pack = Pack("prints_natively", "1.0")


@node("prints_natively.Add")
def add(number: int = 1) -> int:
    """Add one.

    Args:
        number: To which one is added.
    """
    os.write(1, b"adding natively")
    return number + 1
