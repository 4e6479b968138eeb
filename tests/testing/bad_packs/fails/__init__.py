"""A node that fails on its own defaults."""

from nodeflow.api import Pack, node

pack = Pack("fails", "1.0")


@node("fails.Divide")
def divide(number: int = 1, by: int = 0) -> int:
    """Divide a number.

    Args:
        number: What is divided.
        by: By what.
    """
    return number // by
