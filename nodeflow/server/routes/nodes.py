"""The nodes there are, as their packs' manifests say; made into bytes once for each state of the packs."""

import asyncio
import gzip
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

from aiohttp import hdrs, web

from nodeflow.core.manifest import dump_manifest
from nodeflow.core.packs import Manifest
from nodeflow.core.registry import Registry
from nodeflow.core.suggest import did_you_mean
from nodeflow.protocol.catalogue import NodeEntry, NodeList, PackFault
from nodeflow.protocol.errors import Refusal
from nodeflow.protocol.tokens import Role
from nodeflow.server.parts import PARTS
from nodeflow.server.routing import API, Route

_JSON: Final = "application/json"


@dataclass(frozen=True, slots=True)
class _Made:
    """The list of nodes as bytes."""

    of: Registry
    plain: bytes
    packed: bytes
    etag: str
    nodes: Mapping[str, NodeEntry]


@dataclass(slots=True)
class NodeLists:
    """Keeps the list of the packs as they were last."""

    _made: _Made | None = None

    async def of(self, registry: Registry) -> _Made:
        """The list for these packs."""
        made = self._made
        if made is None or made.of is not registry:
            made = self._made = await asyncio.to_thread(_make, registry)
        return made


NODES: Final = web.AppKey("nodes", NodeLists)


def _make(registry: Registry) -> _Made:
    packs = tuple(map(_as_json, registry.packs.values()))
    problems = tuple(PackFault(pack=problem.pack, message=str(problem)) for problem in registry.problems)
    plain = NodeList(packs=packs, problems=problems).model_dump_json().encode()
    nodes = {
        node["id"]: NodeEntry(pack=pack["name"], version=pack.get("version", ""), node=node)
        for pack in packs
        for node in pack.get("specs", ())
    }
    return _Made(registry, plain, gzip.compress(plain, 6, mtime=0), hashlib.sha256(plain).hexdigest()[:32], nodes)


def _as_json(manifest: Manifest) -> dict[str, Any]:
    return cast("dict[str, Any]", json.loads(dump_manifest(manifest)))


async def _list(request: web.Request) -> web.Response:
    made = await request.app[NODES].of(request.app[PARTS].workplace.registry)
    headers = {hdrs.ETAG: f'"{made.etag}"', hdrs.CACHE_CONTROL: "private, no-cache", hdrs.VARY: hdrs.ACCEPT_ENCODING}
    if f'"{made.etag}"' in request.headers.get(hdrs.IF_NONE_MATCH, ""):
        return web.Response(status=304, headers=headers)
    if "gzip" in request.headers.get(hdrs.ACCEPT_ENCODING, ""):
        packed = {**headers, hdrs.CONTENT_ENCODING: "gzip"}
        return web.Response(body=made.packed, content_type=_JSON, headers=packed)
    return web.Response(body=made.plain, content_type=_JSON, headers=headers)


async def _get(request: web.Request) -> NodeEntry:
    registry, id = request.app[PARTS].workplace.registry, request.match_info["id"]
    known = (await request.app[NODES].of(registry)).nodes
    found = known.get(id)
    if found is None:
        message = registry.missing(id) or f"there is no node {id[:200]!r}"
        raise Refusal("node.unknown", message, hint=did_you_mean(id[:200], known) or f"GET {API}/nodes lists them")
    return found


ROUTES: Final[Sequence[Route]] = (
    Route(
        "GET",
        f"{API}/nodes",
        _list,
        Role.READ,
        "List all nodes",
        answer=NodeList,
        headers={"If-None-Match": "the tag you have", "Accept-Encoding": "gzip"},
        tag="nodes",
    ),
    Route(
        "GET",
        f"{API}/nodes/{{id}}",
        _get,
        Role.READ,
        "Show one node",
        answer=NodeEntry,
        refusals=("node.unknown",),
        tag="nodes",
    ),
)
