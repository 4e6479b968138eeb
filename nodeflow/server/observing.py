"""The outermost layer of requests: each is counted, timed and written into the log."""

import logging
import time
from typing import Final

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler, Middleware

from nodeflow.server.errors import GONE
from nodeflow.server.metrics import Metrics
from nodeflow.server.security.clients import CLIENT

_LOG: Final = logging.getLogger("nodeflow.server.http")
_METHODS: Final = frozenset(hdrs.METH_ALL)


def observed(metrics: Metrics) -> Middleware:
    """The middleware; it goes before the one that answers refusals."""

    @web.middleware
    async def observe(request: web.Request, handler: Handler) -> web.StreamResponse:
        began = time.perf_counter()
        status = GONE
        try:
            answer = await handler(request)
            status = answer.status
        finally:
            _note(metrics, request, status, time.perf_counter() - began)
        return answer

    return observe


def _note(metrics: Metrics, request: web.Request, status: int, seconds: float) -> None:
    """Counts by the pattern of the path, of which there are few, never by what a client made up."""
    resource = request.match_info.route.resource
    route = "unknown" if resource is None else resource.canonical
    method = request.method if request.method in _METHODS else "other"
    if not _stays_open(request, status):
        metrics.requests.labels(method, route, status).observe(seconds)
    level = logging.INFO if status >= 400 else logging.DEBUG  # what a change did to a job, its events tell
    if _LOG.isEnabledFor(level):
        client = request.get(CLIENT)
        said = {
            "method": method,
            "route": route,
            "status": status,
            "ms": round(seconds * 1000, 1),
            "client": None if client is None else client.name,
            "job": request.match_info.get("id") if "/jobs/" in route else None,
        }
        _LOG.log(level, "request", extra=said)


def _stays_open(request: web.Request, status: int) -> bool:
    """Whether the answer was a stream, whose seconds say how long somebody watched."""
    return status == 101 or (status == 200 and request.path.endswith("/events"))
