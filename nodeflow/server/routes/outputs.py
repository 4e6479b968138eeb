"""Files that jobs have written: whole, in parts, small, in the trash, and as inputs of further jobs."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from functools import partial
from pathlib import Path
from typing import Final

from aiohttp import web

from nodeflow.protocol.errors import Refusal
from nodeflow.protocol.files import FileInfo, PictureQuery
from nodeflow.protocol.outputs import OutputEntry, OutputPage, OutputQuery
from nodeflow.protocol.tokens import Role
from nodeflow.server.mediatypes import safe_type
from nodeflow.server.parts import PARTS
from nodeflow.server.places import places_of
from nodeflow.server.routes.files import uploads_of
from nodeflow.server.routing import API, Route, query_of
from nodeflow.server.security.clients import CLIENT
from nodeflow.server.sending import Sent, send_bytes, send_file
from nodeflow.server.thumbnails import Thumbnails
from nodeflow.storage.containment import contains
from nodeflow.storage.database import outputs
from nodeflow.storage.database.outputs import Output

_PIECE: Final = 2**20
_TAIL: Final = 6


async def _list(request: web.Request) -> OutputPage:
    query = query_of(request, OutputQuery)
    ask = partial(
        outputs.page, client=request[CLIENT].sees, trashed=query.trashed, after=query.after, limit=query.limit + 1
    )
    found = await request.app[PARTS].store.read(lambda connection: ask(connection))
    shown = found[: query.limit]
    return OutputPage(
        outputs=tuple(map(_entry, shown)), next=shown[-1].id if len(found) > len(shown) and shown else None
    )


async def _get(request: web.Request) -> web.StreamResponse:
    output = await _found(request)
    if output.trashed is not None:
        hint = f"POST {API}/outputs/{output.id}/restore takes it out again"
        raise Refusal("file.gone", f"{output.info.file} is in the trash", hint=hint)
    place = await asyncio.to_thread(place_of, request, output)
    size = query_of(request, PictureQuery).thumbnail
    if size is not None:
        parts = request.app[PARTS]
        small, tag = await Thumbnails(parts.home, parts.pictures).of(place, output.sha256, size)
        return send_bytes(request, small, "image/webp", tag)
    return await send_file(request, Sent(place, safe_type(output.info.media_type), output.sha256, place.name))


async def _trash(request: web.Request) -> None:
    output = await _found(request)
    await request.app[PARTS].store.write(lambda connection: outputs.trash(connection, output.id, time.time()))


async def _restore(request: web.Request) -> OutputEntry:
    output = await _found(request)
    if output.trashed is not None:
        await asyncio.to_thread(place_of, request, output)
        await request.app[PARTS].store.write(lambda connection: outputs.restore(connection, output.id))
    return _entry(await _found(request))


async def _use(request: web.Request) -> FileInfo:
    """Makes a file one of the client's own; under its name, or with a part of its id where another file has that."""
    output = await _found(request)
    place = await asyncio.to_thread(place_of, request, output)
    uploads = uploads_of(request)
    try:
        return await uploads.receive(place.name, _pieces(place))
    except Refusal as refusal:
        if refusal.body.code != "file.exists":
            raise
        return await uploads.receive(f"{place.stem}-{output.id[-_TAIL:]}{place.suffix}", _pieces(place))


async def _pieces(place: Path) -> AsyncIterator[bytes]:
    file = await asyncio.to_thread(place.open, "rb")
    try:
        while piece := await asyncio.to_thread(file.read, _PIECE):
            yield piece
    finally:
        await asyncio.to_thread(file.close)


async def _found(request: web.Request) -> Output:
    id, sees = request.match_info["id"], request[CLIENT].sees
    output = await request.app[PARTS].store.read(lambda connection: outputs.find(connection, id, sees))
    if output is None:
        raise Refusal("output.unknown", f"there is no output {id[:100]!r} of yours")
    return output


def place_of(request: web.Request, output: Output) -> Path:
    """The file of an output.

    Raises:
        Refusal: It is not there any more, or something else is in its place.
    """
    folder = places_of(request.app[PARTS].home, output.client).output
    place = folder / output.path
    try:
        there = place.is_file() and contains(folder, place)
    except OSError:
        there = False
    if not there:
        raise Refusal("file.gone", f"the file {output.info.file} was deleted or moved; run job {output.job} again")
    return place


def _entry(output: Output) -> OutputEntry:
    return OutputEntry(**output.info.model_dump(), job=output.job, client=output.client, created=output.created)


_ONE: Final = f"{API}/outputs/{{id}}"
_GONE: Final = ("output.unknown", "file.gone")


def _showing(method: str, summary: str) -> Route:
    return Route(
        method,
        _ONE,
        _get,
        Role.READ,
        summary,
        query=PictureQuery,
        refusals=(*_GONE, "range.unsatisfiable", "picture.refused"),
        gives=("image/png", "image/jpeg", "image/webp", "application/octet-stream"),
        headers={"Range": "a part of the file", "If-None-Match": "the tag you have", "If-Range": "the tag you have"},
        tag="outputs",
    )


ROUTES: Final[Sequence[Route]] = (
    Route(
        "GET",
        f"{API}/outputs",
        _list,
        Role.READ,
        "List files that jobs have written",
        query=OutputQuery,
        answer=OutputPage,
        tag="outputs",
    ),
    _showing("GET", "Get a file that a job has written, a part of it, or a small picture of it"),
    _showing("HEAD", "Get size and tag of a file that a job has written"),
    Route(
        "DELETE",
        _ONE,
        _trash,
        Role.RUN,
        "Put a file that a job has written into the trash",
        status=204,
        refusals=("output.unknown", "server.storage"),
        tag="outputs",
    ),
    Route(
        "POST",
        f"{_ONE}/restore",
        _restore,
        Role.RUN,
        "Take a file out of the trash",
        answer=OutputEntry,
        refusals=(*_GONE, "server.storage"),
        tag="outputs",
    ),
    Route(
        "POST",
        f"{_ONE}/input",
        _use,
        Role.RUN,
        "Use a file that a job has written as an input of further ones",
        answer=FileInfo,
        status=201,
        refusals=(
            *_GONE,
            "file.exists",
            "request.too-large",
            "request.media-type",
            "picture.refused",
            "server.storage",
        ),
        tag="outputs",
    ),
)
