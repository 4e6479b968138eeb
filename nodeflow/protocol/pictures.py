"""What the server and the process that decodes pictures say to each other.

A question is one line of JSON and the bytes of the picture, an answer one line of JSON and its bytes.
"""

from typing import Literal

from nodeflow.protocol.base import Message


class Ask(Message):
    """Server to process: look at the picture of ``length`` bytes that follows."""

    what: Literal["check", "upright", "thumbnail"]
    length: int
    size: int = 0
    """Longer side of a thumbnail."""


class Told(Message):
    """Process to server: what it found; ``length`` bytes follow. ``refused`` is why it did not."""

    refused: str = ""
    media_type: str = ""
    width: int = 0
    height: int = 0
    frames: int = 1
    length: int = 0
