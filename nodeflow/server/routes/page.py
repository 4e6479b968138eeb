"""The plain page: a form for every published workflow, and what goes on here."""

import asyncio
from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from types import MappingProxyType
from typing import Final

from aiohttp import web

from nodeflow.protocol.errors import Refusal
from nodeflow.server.routing import Route

_FOLDER: Final = Path(__file__).parents[1] / "pages"
_KINDS: Final[Mapping[str, str]] = MappingProxyType(
    {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
)


async def page(request: web.Request) -> web.Response:
    """The page itself."""
    return await _file(request, "index.html")


async def part(request: web.Request) -> web.Response:
    """What belongs to the page: its styles, its scripts, its icon."""
    return await _file(request, request.match_info["name"])


async def _file(request: web.Request, name: str) -> web.Response:
    place = next((path for path in await asyncio.to_thread(_there) if path.name == name), None)
    if place is None:
        raise Refusal("route.unknown", f"the page has no part {name[:40]!r}")
    data = await asyncio.to_thread(place.read_bytes)
    headers = {"ETag": f'"{sha256(data).hexdigest()[:32]}"', "Cache-Control": "no-cache"}
    if headers["ETag"] in request.headers.get("If-None-Match", ""):
        return web.Response(status=304, headers=headers)
    return web.Response(body=data, content_type=_KINDS[place.suffix], charset="utf-8", headers=headers)


def _there() -> Sequence[Path]:
    return [path for path in _FOLDER.iterdir() if path.suffix in _KINDS]


_KNOWN: Final[Mapping[str, str]] = MappingProxyType({"If-None-Match": "the tag you have"})

ROUTES: Final[Sequence[Route]] = (
    Route("GET", "/", page, None, "Show the page", gives=("text/html",), headers=_KNOWN, tag="page"),
    Route(
        "GET",
        "/pages/{name}",
        part,
        None,
        "Get a part of the page",
        gives=tuple(_KINDS.values()),
        headers=_KNOWN,
        tag="page",
    ),
)
