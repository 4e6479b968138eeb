"""An id that another pack claims too."""

from nodeflow.api import Pack, node

pack = Pack("taken_id", "1.0")


@node("taken_id.Add")
def add(number: int = 1) -> int:
    """Add one.

    Args:
        number: To which one is added.
    """
    return number + 1
