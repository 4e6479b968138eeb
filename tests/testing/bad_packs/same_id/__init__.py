"""Two functions with one id."""

from nodeflow.api import Pack, node

pack = Pack("same_id", "1.0")


@node("same_id.Add")
def add(number: int = 1) -> int:
    """Add one.

    Args:
        number: To which one is added.
    """
    return number + 1


@node("same_id.Add")
def add_two(number: int = 1) -> int:
    """Add two.

    Args:
        number: To which two are added.
    """
    return number + 2
