"""Where the files of one client are."""

from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from nodeflow.protocol.base import Message
from nodeflow.server.security.clients import LOCAL
from nodeflow.server.whereabouts import without
from nodeflow.storage.home import Home

M = TypeVar("M", bound=Message)


@dataclass(frozen=True, slots=True)
class Places:
    """The folders of one client.

    Attributes:
        uploads: What it has sent.
        inputs: Where documents of it look for pictures, in order.
        output: Where jobs of it write.
        hidden: What it is not told the path of; None for the client who works at this machine.
    """

    uploads: Path
    inputs: tuple[Path, ...]
    output: Path
    hidden: Path | None = None

    def told(self, message: M) -> M:
        """A message of a worker as the client may read it."""
        return message if self.hidden is None else without(message, self.hidden)


def places_of(home: Home, client: str) -> Places:
    """The folders of a client; nothing is created."""
    uploads = home.uploads / client
    inputs = (uploads, home.input)
    if client == LOCAL:
        return Places(uploads, inputs, home.output)
    return Places(uploads, inputs, home.output / client, home.root)
