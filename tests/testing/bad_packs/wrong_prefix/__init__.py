"""An id that belongs to another pack."""

from nodeflow.api import Pack, node

pack = Pack("wrong_prefix", "1.0")


@node("other.Add")
def add(number: int = 1) -> int:
    """Add one.

    Args:
        number: To which one is added.
    """
    return number + 1
