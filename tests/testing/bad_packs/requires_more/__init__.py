"""It requires a pack that is not there."""

from nodeflow.api import Pack, node

pack = Pack("requires_more", "1.0", requires=("nosuchpack>=2",))


@node("requires_more.Add")
def add(number: int = 1) -> int:
    """Add one.

    Args:
        number: To which one is added.
    """
    return number + 1
