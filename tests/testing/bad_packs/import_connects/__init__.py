"""It asks the network while it is imported."""

import socket
from contextlib import suppress

from nodeflow.api import Pack, node

with suppress(OSError):
    socket.create_connection(("192.0.2.1", 9), timeout=0.1)
pack = Pack("import_connects", "1.0")


@node("import_connects.Add")
def add(number: int = 1) -> int:
    """Add one.

    Args:
        number: To which one is added.
    """
    return number + 1
