"""Files that clients send for their documents to load."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import PurePosixPath
from typing import Final

from aiohttp import web

from nodeflow.protocol.errors import Refusal
from nodeflow.protocol.files import FileInfo, FilePage, FileQuery, FilesSent, PictureQuery, SendQuery
from nodeflow.protocol.tokens import Role
from nodeflow.server.answers import answered
from nodeflow.server.forms import form_parts
from nodeflow.server.mediatypes import shown_as
from nodeflow.server.parts import PARTS
from nodeflow.server.routing import API, Route, query_of
from nodeflow.server.security.clients import CLIENT
from nodeflow.server.sending import Sent, send_bytes, send_file
from nodeflow.server.thumbnails import Thumbnails, identity_of
from nodeflow.server.uploads import Uploads

TURN: Final = web.AppKey("uploading", asyncio.Lock)
"""One at a time gives a file its name."""
_FORM: Final = "multipart/form-data"
_STREAM: Final = "application/octet-stream"
_PIECE: Final = 256 * 1024


def uploads_of(request: web.Request) -> Uploads:
    """The files of the client who asks."""
    parts = request.app[PARTS]
    return Uploads(parts.home, parts.settings.limits, parts.pictures, request[CLIENT].name, request.app[TURN])


async def _list(request: web.Request) -> FilePage:
    query = query_of(request, FileQuery)
    uploads = uploads_of(request)
    found = await asyncio.to_thread(uploads.listing, shared=query.shared)
    later = [row for row in found if row[0] > query.after]
    shown = later[: query.limit]
    folder = uploads.home.input if query.shared else uploads.folder
    types = await asyncio.to_thread(lambda: [shown_as(folder / name) for name, _, _ in shown])
    files = tuple(
        FileInfo(name=name, bytes=size, media_type=media_type, modified=modified)
        for (name, size, modified), media_type in zip(shown, types, strict=True)
    )
    return FilePage(
        files=files,
        next=files[-1].name if len(later) > len(shown) else None,
        total=len(found),
        bytes=sum(size for _, size, _ in found),
        quota=uploads.limits.quota,
    )


async def _send_form(request: web.Request) -> FilesSent:
    query, uploads = query_of(request, SendQuery), uploads_of(request)
    sent: list[FileInfo] = []
    async for part in form_parts(request, uploads.limits.upload + 2**20):
        if part.filename is None:
            raise Refusal("request.invalid", f"field {part.name!r} is no file; what to do with files is in the query")
        # A browser may send a path of its own machine; only the last part of it is a name here.
        name = PurePosixPath(part.filename).name
        sent.append(await uploads.receive(name, part.pieces(), replace=query.replace, upright=query.upright))
    if not sent:
        raise Refusal("request.invalid", "there is no file in the form")
    return FilesSent(files=tuple(sent))


async def _put(request: web.Request) -> web.Response:
    query, uploads = query_of(request, SendQuery), uploads_of(request)
    if request.content_type != _STREAM:
        raise Refusal("request.media-type", f"the body is {request.content_type}; expected {_STREAM}")
    if (request.content_length or 0) > uploads.limits.upload:
        raise Refusal("request.too-large", f"the file has more than the {uploads.limits.upload:,} bytes it may have")
    name = request.match_info["name"]
    info = await uploads.receive(name, _pieces(request), replace=query.replace, upright=query.upright)
    return answered(info, status=201)


async def _pieces(request: web.Request) -> AsyncIterator[bytes]:
    async for piece in request.content.iter_chunked(_PIECE):
        yield piece


async def _get(request: web.Request) -> web.StreamResponse:
    query, uploads = query_of(request, PictureQuery), uploads_of(request)
    name = request.match_info["name"]
    place = await asyncio.to_thread(uploads.find, name)
    try:
        identity, media_type = await asyncio.to_thread(lambda: (identity_of(place), shown_as(place)))
    except OSError:
        raise Refusal("file.gone", f"the file {name!r} is no longer there") from None
    if query.thumbnail is not None:
        thumbnails = Thumbnails(uploads.home, uploads.pictures)
        small, tag = await thumbnails.of(place, f"{place} {identity}", query.thumbnail)
        return send_bytes(request, small, "image/webp", tag)
    return await send_file(request, Sent(place, media_type, identity, place.name))


async def _delete(request: web.Request) -> None:
    await asyncio.to_thread(uploads_of(request).trash, request.match_info["name"])


_NAMED: Final = f"{API}/files/{{name:.+}}"
_RECEIVING: Final = (
    "request.too-large",
    "request.media-type",
    "request.malformed",
    "request.invalid",
    "request.timeout",
    "file.exists",
    "picture.refused",
    "server.storage",
)


def _showing(method: str, summary: str) -> Route:
    return Route(
        method,
        _NAMED,
        _get,
        Role.READ,
        summary,
        query=PictureQuery,
        refusals=("file.unknown", "file.gone", "range.unsatisfiable", "picture.refused"),
        gives=("image/png", "image/jpeg", "image/webp", "text/plain", "text/csv", "application/json", _STREAM),
        headers={"Range": "a part of the file", "If-None-Match": "the tag you have", "If-Range": "the tag you have"},
        tag="files",
    )


ROUTES: Final[Sequence[Route]] = (
    Route(
        "GET",
        f"{API}/files",
        _list,
        Role.READ,
        "List your files, or those that all clients have",
        query=FileQuery,
        answer=FilePage,
        tag="files",
    ),
    Route(
        "POST",
        f"{API}/files",
        _send_form,
        Role.RUN,
        "Send files in a form",
        query=SendQuery,
        answer=FilesSent,
        status=201,
        refusals=_RECEIVING,
        takes=(_FORM,),
        tag="files",
    ),
    Route(
        "PUT",
        _NAMED,
        _put,
        Role.RUN,
        "Send one file under a name",
        query=SendQuery,
        answer=FileInfo,
        status=201,
        refusals=_RECEIVING,
        takes=(_STREAM,),
        tag="files",
    ),
    _showing("GET", "Get one of your files, a part of it, or a small picture of it"),
    _showing("HEAD", "Get size and tag of one of your files"),
    Route(
        "DELETE",
        _NAMED,
        _delete,
        Role.RUN,
        "Put one of your files into the trash",
        status=204,
        refusals=("file.unknown", "server.storage"),
        tag="files",
    ),
)
