"""What all groups of calls have in common."""

from nodeflow.client.transport import Transport


class Calls:
    """Calls over one connection.

    Args:
        transport: What carries them.
        patience: Seconds for which a server that went away is waited for.
    """

    def __init__(self, transport: Transport, patience: float) -> None:
        self._transport = transport
        self._patience = patience
