"""A node that never comes back, and one that does."""

import time

from nodeflow.api import Pack, node

pack = Pack("hangs", "1.0")


@node("hangs.Wait")
def wait(seconds: int = 1) -> int:
    """Wait for ever.

    Args:
        seconds: Is of no consequence.
    """
    while True:
        time.sleep(seconds)


@node("hangs.Add")
def add(number: int = 1) -> str:
    """Add one.

    Args:
        number: To which one is added.
    """
    return number + 1  # type: ignore[return-value]
