"""The queue as a whole: looked at, paused, emptied."""

from collections.abc import Sequence
from typing import Final

from aiohttp import web

from nodeflow.protocol.jobs import Cleared, QueueInfo
from nodeflow.protocol.tokens import Role
from nodeflow.server.parts import PARTS
from nodeflow.server.routing import API, Route
from nodeflow.server.security.clients import CLIENT


async def show(request: web.Request) -> QueueInfo:
    """The queue and the workers; only an admin is told which jobs these run."""
    queue = await request.app[PARTS].jobs.queue()
    if request[CLIENT].sees is None:
        return queue
    return queue.model_copy(
        update={"workers": tuple([worker.model_copy(update={"job": ""}) for worker in queue.workers])}
    )


async def pause(request: web.Request) -> QueueInfo:
    """Begins no further job, also not after a restart; what runs goes on."""
    await request.app[PARTS].jobs.pause()
    return await show(request)


async def resume(request: web.Request) -> QueueInfo:
    """Begins jobs again."""
    await request.app[PARTS].jobs.resume()
    return await show(request)


async def clear(request: web.Request) -> Cleared:
    """Cancels the client's queued jobs; an admin's are everybody's."""
    return Cleared(cancelled=await request.app[PARTS].jobs.clear(request[CLIENT].sees))


ROUTES: Final[Sequence[Route]] = (
    Route("GET", f"{API}/queue", show, role=Role.READ, summary="Show the queue", answer=QueueInfo, tag="queue"),
    Route(
        "POST", f"{API}/queue/pause", pause, role=Role.ADMIN, summary="Pause the queue", answer=QueueInfo, tag="queue"
    ),
    Route(
        "POST",
        f"{API}/queue/resume",
        resume,
        role=Role.ADMIN,
        summary="Resume the queue",
        answer=QueueInfo,
        tag="queue",
    ),
    Route(
        "POST",
        f"{API}/queue/clear",
        clear,
        role=Role.RUN,
        summary="Cancel all queued jobs",
        answer=Cleared,
        tag="queue",
    ),
)
