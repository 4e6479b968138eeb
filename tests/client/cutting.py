"""A wire to a server that is cut at random."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress


class Wire:
    """Hands bytes on between a client and a server until it has had enough of them.

    Attributes:
        url: Where it listens.
        cuts: How often it was cut.
    """

    def __init__(self, port: int, most: int, seed: int) -> None:
        self.url = ""
        self.cuts = 0
        self._port = port
        self._most = most
        self._random = random.Random(seed)
        self._busy = set[asyncio.Task[None]]()

    def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._serve(reader, writer))
        self._busy.add(task)
        task.add_done_callback(self._busy.discard)

    async def aclose(self) -> None:
        for task in self._busy:
            task.cancel()
        await asyncio.gather(*self._busy, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            there, back = await asyncio.open_connection("127.0.0.1", self._port)
        except OSError:
            writer.transport.abort()
            return
        asking = asyncio.create_task(self._copy(reader, back, None))
        try:
            if not await self._copy(there, writer, self._random.randint(1, self._most)):
                self.cuts += 1
        finally:
            asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)
            back.transport.abort()
            writer.transport.abort()

    @staticmethod
    async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, left: int | None) -> bool:
        """Whether it came to the end by itself."""
        with suppress(ConnectionError):
            while data := await reader.read(65536):
                writer.write(data if left is None else data[:left])
                await writer.drain()
                if left is not None:
                    left -= len(data)
                    if left <= 0:
                        return False
        return True


@asynccontextmanager
async def wire_to(port: int, at: int, most: int, seed: int) -> AsyncIterator[Wire]:
    """A wire from one port of this machine to another; a connection carries at most so many bytes to the client."""
    wire = Wire(port, most, seed)
    listening = await asyncio.start_server(wire.accept, "127.0.0.1", at)
    wire.url = f"http://127.0.0.1:{at}"
    try:
        yield wire
    finally:
        listening.close()
        await wire.aclose()
        await listening.wait_closed()
