"""Documents as the editor saves them: the very bytes, every version, and no save over one that was not seen."""

import asyncio
import hashlib
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

from aiohttp import hdrs, web

from nodeflow.protocol.documents import (
    DocumentChange,
    DocumentInfo,
    DocumentPage,
    DocumentQuery,
    DocumentVersions,
    SaveQuery,
    VersionQuery,
)
from nodeflow.protocol.errors import Refusal
from nodeflow.protocol.tokens import Role
from nodeflow.server.answers import answered
from nodeflow.server.parts import PARTS
from nodeflow.server.routing import API, Route, body_of, json_limits, query_of
from nodeflow.server.saving import check_text, expected_version, info_of, stale, usable_name
from nodeflow.server.security.clients import CLIENT
from nodeflow.server.sending import send_bytes
from nodeflow.storage.database import documents
from nodeflow.storage.database.documents import Document, NameTaken, Stale

if TYPE_CHECKING:
    from sqlalchemy import Connection

_JSON: Final = "application/json"
_STREAM: Final = "application/octet-stream"
_SMALL: Final = 256


async def _list(request: web.Request) -> DocumentPage:
    query, store = query_of(request, DocumentQuery), request.app[PARTS].store
    limit = query.limit + 1
    found = await store.read(
        lambda connection: documents.page(connection, trashed=query.trashed, after=query.after, limit=limit)
    )
    shown = found[: query.limit]
    last = None if len(found) <= len(shown) else shown[-1].id if query.trashed else shown[-1].name
    total = await store.read(lambda connection: documents.count(connection, trashed=query.trashed))
    return DocumentPage(documents=tuple(map(info_of, shown)), next=last, total=total)


async def _get(request: web.Request) -> web.Response:
    name, version = request.match_info["name"], query_of(request, VersionQuery).version
    there = await _version(request, name, version)
    if there is None:
        raise _unknown(name, version)
    found, body = there
    if request.headers.get(hdrs.IF_NONE_MATCH, "") == f'"{found.version}"':
        return web.Response(status=304, headers=_headers(found))
    return web.Response(body=body, content_type=_JSON, headers=_headers(found))


async def _save(request: web.Request) -> web.Response:
    name = usable_name(request.match_info["name"])
    query = query_of(request, SaveQuery)
    expected = expected_version(request.headers.get(hdrs.IF_MATCH, ""), query.version)
    body = await request.read()
    await asyncio.to_thread(check_text, body, json_limits(request.app[PARTS].settings.limits))
    digest = hashlib.sha256(body).hexdigest()
    store, client = request.app[PARTS].store, request[CLIENT].name
    try:
        saved = await store.write(
            lambda connection: documents.save(
                connection,
                name,
                body,
                sha256=digest,
                client=client,
                now=time.time(),
                expected=expected,
                note=query.note,
            )
        )
    except Stale as error:
        base = await _version(request, name, expected) if expected else None
        raise await asyncio.to_thread(stale, name, expected, digest, error, base) from None
    return answered(info_of(saved), status=201 if saved.version == 1 else 200, headers=_headers(saved))


async def _versions(request: web.Request) -> DocumentVersions:
    name = request.match_info["name"]
    found = await request.app[PARTS].store.read(lambda connection: documents.versions(connection, name))
    if not found:
        raise _unknown(name)
    return DocumentVersions(versions=tuple(map(info_of, found)))


async def _rename(request: web.Request) -> DocumentInfo:
    name, change = request.match_info["name"], body_of(request, DocumentChange)
    try:
        found = await request.app[PARTS].store.write(lambda connection: documents.rename(connection, name, change.name))
    except NameTaken as error:
        raise Refusal("document.exists", str(error), hint="choose another name") from None
    if found is None:
        raise _unknown(name)
    return info_of(found)


async def _trash(request: web.Request) -> DocumentInfo:
    name = request.match_info["name"]
    found = await request.app[PARTS].store.write(lambda connection: documents.trash(connection, name, time.time()))
    if found is None:
        raise _unknown(name)
    return info_of(found)


async def _restore(request: web.Request) -> DocumentInfo:
    id = request.match_info["id"]
    try:
        found = await request.app[PARTS].store.write(lambda connection: documents.restore(connection, id))
    except NameTaken as error:
        raise Refusal("document.exists", str(error), hint="rename that one first") from None
    if found is None:
        raise Refusal("document.unknown", f"there is no document {id[:100]!r} in the trash")
    return info_of(found)


async def _show_thumbnail(request: web.Request) -> web.Response:
    name = request.match_info["name"]
    small = await request.app[PARTS].store.read(lambda connection: documents.thumbnail(connection, name))
    if small is None:
        raise Refusal("document.unknown", f"there is no document {name[:100]!r} with a small picture")
    return send_bytes(request, small, "image/webp", hashlib.sha256(small).hexdigest()[:32])


async def _set_thumbnail(request: web.Request) -> None:
    parts, name = request.app[PARTS], request.match_info["name"]
    small = await parts.pictures.thumbnail(await request.read(), _SMALL)
    if not await parts.store.write(lambda connection: documents.set_thumbnail(connection, name, small)):
        raise _unknown(name)


async def _version(request: web.Request, name: str, version: int | None) -> tuple[Document, bytes] | None:
    """A version and its text, in one look."""

    def ask(connection: "Connection") -> tuple[Document, bytes] | None:
        found = documents.find(connection, name, version)
        return None if found is None else (found, documents.text(connection, found))

    return await request.app[PARTS].store.read(ask)


def _headers(found: Document) -> Mapping[str, str]:
    return {hdrs.ETAG: f'"{found.version}"', hdrs.CACHE_CONTROL: "private, no-cache"}


def _unknown(name: str, version: int | None = None) -> Refusal:
    which = f"no version {version} of" if version is not None else "no"
    return Refusal("document.unknown", f"there is {which} document {name[:100]!r}")


_ONE: Final = f"{API}/documents/{{name}}"
_SAVING: Final = (
    "request.invalid",
    "request.malformed",
    "request.too-large",
    "document.invalid",
    "document.stale",
    "server.storage",
)

ROUTES: Final[Sequence[Route]] = (
    Route(
        "GET",
        f"{API}/documents",
        _list,
        Role.ADMIN,
        "List documents",
        query=DocumentQuery,
        answer=DocumentPage,
        tag="documents",
    ),
    Route(
        "GET",
        _ONE,
        _get,
        Role.ADMIN,
        "Get a document as it was saved",
        query=VersionQuery,
        gives=(_JSON,),
        refusals=("document.unknown",),
        headers={"If-None-Match": "the version you have"},
        tag="documents",
    ),
    Route(
        "PUT",
        _ONE,
        _save,
        Role.ADMIN,
        "Save a document",
        query=SaveQuery,
        answer=DocumentInfo,
        also={201: "it is new"},
        refusals=_SAVING,
        takes=(_JSON,),
        headers={"If-Match": "the version it was made from; * for whatever is there"},
        tag="documents",
    ),
    Route(
        "PATCH",
        _ONE,
        _rename,
        Role.ADMIN,
        "Rename a document",
        body=DocumentChange,
        answer=DocumentInfo,
        refusals=("document.unknown", "document.exists", "server.storage"),
        tag="documents",
    ),
    Route(
        "DELETE",
        _ONE,
        _trash,
        Role.ADMIN,
        "Put a document into the trash",
        answer=DocumentInfo,
        refusals=("document.unknown", "server.storage"),
        tag="documents",
    ),
    Route(
        "POST",
        f"{API}/trash/documents/{{id}}/restore",
        _restore,
        Role.ADMIN,
        "Take a document out of the trash",
        answer=DocumentInfo,
        refusals=("document.unknown", "document.exists", "server.storage"),
        tag="documents",
    ),
    Route(
        "GET",
        f"{_ONE}/versions",
        _versions,
        Role.ADMIN,
        "List the versions of a document",
        answer=DocumentVersions,
        refusals=("document.unknown",),
        tag="documents",
    ),
    Route(
        "GET",
        f"{_ONE}/thumbnail",
        _show_thumbnail,
        Role.ADMIN,
        "Get the small picture of a document",
        gives=("image/webp",),
        refusals=("document.unknown",),
        tag="documents",
    ),
    Route(
        "PUT",
        f"{_ONE}/thumbnail",
        _set_thumbnail,
        Role.ADMIN,
        "Give a document a small picture",
        status=204,
        takes=(_STREAM,),
        refusals=("document.unknown", "picture.refused", "request.too-large", "server.storage"),
        tag="documents",
    ),
)
