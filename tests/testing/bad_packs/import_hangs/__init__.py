"""Importing it never ends."""

import time

from nodeflow.api import Pack, node

time.sleep(600)
pack = Pack("import_hangs", "1.0")


@node("import_hangs.Add")
def add(number: int = 1) -> int:
    """Add one.

    Args:
        number: To which one is added.
    """
    return number + 1
