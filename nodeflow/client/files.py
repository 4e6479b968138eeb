"""Files that jobs read and files that they have written, as a client asks for them."""

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Final
from urllib.parse import quote

from nodeflow.client.calls import Calls
from nodeflow.client.errors import Misunderstood, Unreachable
from nodeflow.client.transport import LOST, Ask, Patience
from nodeflow.protocol.files import FileInfo, FilePage

_PIECE: Final = 256 * 1024
_PARTIAL: Final = 206


class FileCalls(Calls):
    """Calls about files."""

    async def upload(
        self, path: Path | str, name: str = "", *, replace: bool = False, upright: bool = False
    ) -> FileInfo:
        """Sends a file, so that documents may name it.

        Args:
            path: The file here.
            name: What it is called there; its own name by default. It may have folders.
            replace: Another file of that name goes.
            upright: A picture is turned upright as its EXIF says.

        Raises:
            RefusedRequest: There is another file of that name, or the file is of no kind that the server takes.
        """
        place = Path(path)
        size = await asyncio.to_thread(lambda: place.stat().st_size)
        ask = Ask(
            "PUT",
            f"/api/v1/files/{quote(name or place.name)}",
            {"replace": replace or None, "upright": upright or None},
            data=lambda: _pieces(place),
            headers={"Content-Type": "application/octet-stream", "Content-Length": str(size)},
            repeatable=True,
        )
        return await self._transport.ask(ask, FileInfo)

    async def files(self, *, after: str | None = None, limit: int | None = None) -> FilePage:
        """A page of the list of files that were sent; ``next`` of it is the ``after`` of the following one."""
        query = {"after": after, "limit": limit}
        return await self._transport.ask(Ask("GET", "/api/v1/files", query, repeatable=True), FilePage)

    async def delete_file(self, name: str) -> None:
        """Puts a file that was sent into the trash."""
        await self._transport.do(Ask("DELETE", f"/api/v1/files/{quote(name)}"))

    async def download(self, output: str) -> AsyncGenerator[bytes]:
        """The content of an output, piece by piece; a connection that breaks is taken up where it broke.

        Args:
            output: The ``id`` of one of a job's outputs.

        Raises:
            Refused: There is no such output, or its file is gone.
            Unreachable: The server went away and did not come back in time.
        """
        path = f"/api/v1/outputs/{quote(output, safe='')}"
        waiting = Patience(self._patience)
        got, tag = 0, ""
        while True:
            headers = {"Range": f"bytes={got}-", "If-Range": tag} if got else {}
            try:
                async with self._transport.opened(Ask("GET", path, headers=headers, repeatable=True)) as response:
                    if got and response.status != _PARTIAL:
                        raise Misunderstood(f"output {output} has changed while it was fetched; fetch it once more")
                    tag = response.headers.get("ETag", "")
                    async for piece in response.content.iter_chunked(_PIECE):
                        got += len(piece)
                        waiting = Patience(self._patience)
                        yield piece
                return
            except LOST as error:
                if not await waiting.again():
                    raise Unreachable(f"the connection to {self._transport.address.url} was lost: {error}") from error


async def _pieces(path: Path) -> AsyncGenerator[bytes]:
    with path.open("rb") as file:
        while piece := await asyncio.to_thread(file.read, _PIECE):
            yield piece
