"""A node that prints."""

from nodeflow.api import Pack, node

pack = Pack("prints", "1.0")


@node("prints.Add")
def add(number: int = 1) -> int:
    """Add one.

    Args:
        number: To which one is added.
    """
    print("adding", number)
    return number + 1
