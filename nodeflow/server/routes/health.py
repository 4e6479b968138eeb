"""Whether the server lives, whether it is ready, and its numbers."""

import logging
from collections.abc import Sequence
from typing import Final

from aiohttp import web

from nodeflow.protocol.health import Health, Readiness
from nodeflow.protocol.tokens import Role
from nodeflow.server.answers import answered
from nodeflow.server.parts import PARTS
from nodeflow.server.routing import Route
from nodeflow.storage.database.failures import StorageFailed
from nodeflow.storage.database.jobs import counts
from nodeflow.version import __version__

_LOG: Final = logging.getLogger("nodeflow.server")
_TEXT: Final = "text/plain; version=0.0.4; charset=utf-8"


async def alive(request: web.Request) -> Health:
    """It answers, so it lives."""
    return Health(instance=request.app[PARTS].hub.instance, version=__version__)


async def ready(request: web.Request) -> web.Response:
    """Whether a job would run now, and if not, for want of what."""
    parts = request.app[PARTS]
    missing: list[str] = []
    try:
        await parts.store.read(counts)
    except StorageFailed as error:
        _LOG.error("%s", error)
        missing.append("the database; the log of the server has the reason")
    if not parts.workers.ready:
        missing.append("a worker that is ready")
    said = Readiness(ready=not missing, missing=tuple(missing))
    return answered(said, status=503 if missing else 200, headers={"Cache-Control": "no-store"})


async def numbers(request: web.Request) -> web.Response:
    """What was counted, in Prometheus' text format."""
    parts = request.app[PARTS]
    jobs = await parts.store.read(counts)
    text = parts.metrics.text(jobs, parts.workers.infos, parts.hub.listening)
    return web.Response(body=text, headers={"Content-Type": _TEXT, "Cache-Control": "no-store"})


ROUTES: Final[Sequence[Route]] = (
    Route("GET", "/healthz", alive, None, "Whether the server lives", answer=Health, tag="operation"),
    Route(
        "GET",
        "/readyz",
        ready,
        None,
        "Whether jobs would run now",
        answer=Readiness,
        also={503: "something is missing, and the answer says what"},
        tag="operation",
    ),
    Route(
        "GET",
        "/metrics",
        numbers,
        Role.READ,
        "The numbers of this server, for Prometheus",
        gives=("text/plain",),
        tag="operation",
    ),
)
