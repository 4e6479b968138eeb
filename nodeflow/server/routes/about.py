"""What this server is, what it can be asked, and what would run of a document."""

import asyncio
import json
from collections.abc import Sequence
from typing import Final

from aiohttp import web

from nodeflow.protocol.about import ExplainRequest, Explanation, Version
from nodeflow.protocol.errors import Refusal
from nodeflow.protocol.tokens import Role
from nodeflow.server.parts import PARTS
from nodeflow.server.routing import API, Route, body_of
from nodeflow.server.security.clients import CLIENT
from nodeflow.server.wishes import loaded_of
from nodeflow.version import __version__


class Described:
    """The OpenAPI document of an application, written when it is first asked for."""

    def __init__(self, routes: Sequence[Route]) -> None:
        self._routes = routes
        self._text: bytes | None = None

    async def text(self) -> bytes:
        """The document as JSON."""
        if self._text is None:
            self._text = await asyncio.to_thread(self._written)
        return self._text

    def _written(self) -> bytes:
        from nodeflow.server.openapi import described

        return json.dumps(described(self._routes)).encode()


DESCRIBED: Final = web.AppKey("described", Described)


async def version(request: web.Request) -> Version:
    """Which nodeflow this is."""
    return Version(nodeflow=__version__, published_only=request.app[PARTS].settings.published_only)


async def openapi(request: web.Request) -> web.Response:
    """All operations, with what they take and give."""
    body = await request.app[DESCRIBED].text()
    return web.Response(body=body, content_type="application/json", headers={"Cache-Control": "no-cache"})


async def explain(request: web.Request) -> Explanation:
    """What would run again of a document, and why; nothing is run."""
    parts, asked = request.app[PARTS], body_of(request, ExplainRequest)
    if parts.settings.published_only:
        raise Refusal("documents.published-only", "this server runs published workflows only")
    loaded_of(asked.document, parts.settings.limits.nodes)
    found = await parts.jobs.questions.explain(
        json.dumps(asked.document).encode(), asked.inputs, client=request[CLIENT].name, targets=asked.targets
    )
    return Explanation.model_validate(found)


ROUTES: Final[Sequence[Route]] = (
    Route("GET", f"{API}/version", version, role=None, summary="Show the version", answer=Version, tag="operation"),
    Route(
        "GET",
        f"{API}/openapi.json",
        openapi,
        role=None,
        summary="Get this description",
        gives=("application/json",),
        tag="operation",
    ),
    Route(
        "POST",
        f"{API}/explain",
        explain,
        role=Role.RUN,
        summary="Tell what would run of a document, and why",
        body=ExplainRequest,
        answer=Explanation,
        refusals=("document.invalid", "document.missing-file", "documents.published-only", "worker.none"),
        tag="jobs",
    ),
)
