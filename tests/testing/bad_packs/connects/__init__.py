"""A pure node that asks the network."""

import socket

from nodeflow.api import Pack, node

pack = Pack("connects", "1.0")


@node("connects.Weather")
def weather(town: str = "Ghent") -> str:
    """Ask for the weather.

    Args:
        town: Where.
    """
    socket.create_connection(("192.0.2.1", 9), timeout=0.1).close()
    return f"fine in {town}"
