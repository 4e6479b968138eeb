"""A module of it cannot be imported."""

from nodeflow.api import Pack, node

pack = Pack("import_fails", "1.0", modules=("broken",))


@node("import_fails.Add")
def add(number: int = 1) -> int:
    """Add one.

    Args:
        number: To which one is added.
    """
    return number + 1
