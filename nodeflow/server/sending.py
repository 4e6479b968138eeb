"""Files to clients: a fixed type, never run by a browser, in parts where they ask for parts."""

import asyncio
import re
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final
from urllib.parse import quote

from aiohttp import hdrs, web

from nodeflow.protocol.errors import Refusal
from nodeflow.server.mediatypes import PICTURES

_RANGE: Final = re.compile(r"bytes=(\d{0,19})-(\d{0,19})")
_PIECE: Final = 256 * 1024
_SANDBOX: Final = "default-src 'none'; sandbox"


@dataclass(frozen=True, slots=True)
class Sent:
    """A file as it is sent.

    Attributes:
        media_type: From our own table, never what a client said.
        etag: Changes with the content.
        name: Under which a browser saves it.
        forever: Whether what is behind the URL never changes.
    """

    path: Path
    media_type: str
    etag: str
    name: str
    forever: bool = False


async def send_file(request: web.Request, sent: Sent) -> web.StreamResponse:
    """Answers GET and HEAD with a file, or with a part of it.

    Raises:
        Refusal: The file is gone, or does not have the part that is asked for.
    """
    headers = headers_of(sent)
    if _is_known(request, sent.etag):
        return web.Response(status=304, headers=headers)
    try:
        file = await asyncio.to_thread(sent.path.open, "rb")
    except OSError:
        raise Refusal("file.gone", f"the file {sent.name!r} is no longer there") from None
    try:
        size = (await asyncio.to_thread(sent.path.stat)).st_size
        first, end = _part(request, sent.etag, size)
        partial = (first, end) != (0, size)
        if partial:
            headers[hdrs.CONTENT_RANGE] = f"bytes {first}-{end - 1}/{size}"
        response = web.StreamResponse(status=206 if partial else 200, headers=headers)
        response.content_length = end - first
        with suppress(ConnectionError):  # the client has gone, in the middle of it
            await response.prepare(request)
            if request.method != hdrs.METH_HEAD:
                await _write(response, file, first, end - first)
            await response.write_eof()
        return response
    finally:
        await asyncio.to_thread(file.close)


async def _write(response: web.StreamResponse, file: BinaryIO, first: int, left: int) -> None:
    await asyncio.to_thread(file.seek, first)
    while left > 0 and (piece := await asyncio.to_thread(file.read, min(_PIECE, left))):
        await response.write(piece)
        left -= len(piece)


def send_bytes(request: web.Request, body: bytes, media_type: str, etag: str) -> web.Response:
    """Answers with a small file that is in memory."""
    headers = headers_of(Sent(Path(), media_type, etag, ""))
    if _is_known(request, etag):
        return web.Response(status=304, headers=headers)
    return web.Response(body=body, headers=headers)


def headers_of(sent: Sent) -> dict[str, str]:
    """What is said of a file: pictures may be shown, everything else is saved, nothing is ever run."""
    shown = sent.media_type in PICTURES
    disposition = "inline" if shown else "attachment"
    if sent.name:
        disposition += f"; filename*=UTF-8''{quote(sent.name, safe='')}"
    return {
        hdrs.CONTENT_TYPE: sent.media_type + ("; charset=utf-8" if sent.media_type.startswith("text/") else ""),
        hdrs.CONTENT_DISPOSITION: disposition,
        hdrs.ETAG: f'"{sent.etag}"',
        hdrs.ACCEPT_RANGES: "bytes",
        hdrs.CACHE_CONTROL: "private, max-age=31536000, immutable" if sent.forever else "private, no-cache",
        "Content-Security-Policy": _SANDBOX,
    }


def _is_known(request: web.Request, etag: str) -> bool:
    given = request.headers.get(hdrs.IF_NONE_MATCH, "")
    return given.strip() == "*" or f'"{etag}"' in (part.strip().removeprefix("W/") for part in given.split(","))


def _part(request: web.Request, etag: str, size: int) -> tuple[int, int]:
    """First byte and end of what is asked for; what is not understood, or of an older state, means all of it.

    Raises:
        Refusal: The file does not have these bytes.
    """
    condition = request.headers.get(hdrs.IF_RANGE)
    match = _RANGE.fullmatch(request.headers.get(hdrs.RANGE, "").replace(" ", ""))
    if match is None or not (match[1] or match[2]) or condition not in (None, f'"{etag}"'):
        return 0, size
    if not match[1]:  # the last so many
        first, end = max(0, size - int(match[2])), size
    else:
        first, end = int(match[1]), min(size, int(match[2]) + 1) if match[2] else size
    if match[1] and match[2] and int(match[2]) < int(match[1]):
        return 0, size
    if first >= size or first >= end:
        raise Refusal("range.unsatisfiable", f"the file has {size:,} bytes", detail={"size": size})
    return first, end
