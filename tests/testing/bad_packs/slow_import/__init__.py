"""Importing it takes longer than a second."""

import time

from nodeflow.api import Pack, node

time.sleep(1.05)
pack = Pack("slow_import", "1.0")


@node("slow_import.Add")
def add(number: int = 1) -> int:
    """Add one.

    Args:
        number: To which one is added.
    """
    return number + 1
