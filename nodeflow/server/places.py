"""Where the files of one client are."""

from dataclasses import dataclass
from pathlib import Path

from nodeflow.server.security.clients import LOCAL
from nodeflow.storage.home import Home


@dataclass(frozen=True, slots=True)
class Places:
    """The folders of one client.

    Attributes:
        uploads: What it has sent.
        inputs: Where documents of it look for pictures, in order.
        output: Where jobs of it write.
    """

    uploads: Path
    inputs: tuple[Path, ...]
    output: Path


def places_of(home: Home, client: str) -> Places:
    """The folders of a client; nothing is created."""
    uploads = home.uploads / client
    output = home.output if client == LOCAL else home.output / client
    return Places(uploads, (uploads, home.input), output)
