"""The worker's end of the stream to its server."""

import os
import socket
from collections.abc import Iterator
from threading import Lock
from typing import Final

from pydantic import BaseModel

from nodeflow.protocol.frames import Frame, Unpacker, pack

_PIECE: Final = 256 * 1024
ORPHANED: Final = 3
"""Exit code of a worker whose server is gone."""


class Channel:
    """Sends and receives whole messages; sending is safe from several threads.

    A worker without its server is of no use: it ends at once, wherever it is.
    """

    def __init__(self, stream: socket.socket) -> None:
        self._stream = stream
        self._turn = Lock()

    def send(self, *messages: BaseModel, body: bytes = b"") -> None:
        """Sends messages one behind the other; ``body`` belongs to the last."""
        *first, last = messages
        data = b"".join((*map(pack, first), pack(last, body)))
        try:
            with self._turn:
                self._stream.sendall(data)
        except OSError:
            os._exit(ORPHANED)

    def frames(self) -> Iterator[Frame]:
        """What the server sends, as it comes."""
        unpacker = Unpacker()
        while data := self._read():
            yield from unpacker.feed(data)
        os._exit(ORPHANED)

    def _read(self) -> bytes:
        try:
            return self._stream.recv(_PIECE)
        except OSError:
            return b""
