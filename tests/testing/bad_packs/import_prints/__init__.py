"""It prints while it is imported."""

from nodeflow.api import Pack, node

print("welcome")
pack = Pack("import_prints", "1.0")


@node("import_prints.Add")
def add(number: int = 1) -> int:
    """Add one.

    Args:
        number: To which one is added.
    """
    return number + 1
