"""The events of a job as server-sent events: what was, then what happens, until its end."""

from collections.abc import Sequence
from contextlib import suppress
from typing import Annotated, Final

from aiohttp import hdrs, web
from pydantic import Field

from nodeflow.protocol.base import Message
from nodeflow.protocol.errors import Refusal
from nodeflow.protocol.tokens import Role
from nodeflow.server.hub import Subscription
from nodeflow.server.news import News, Told
from nodeflow.server.parts import PARTS
from nodeflow.server.refusing import unknown_job
from nodeflow.server.routing import API, Route, query_of
from nodeflow.server.security.clients import CLIENT
from nodeflow.server.streams import is_gone, make_room, written
from nodeflow.storage.database.events import last_seq
from nodeflow.storage.database.failures import StorageFailed
from nodeflow.storage.database.standing import standing

BEAT_SECONDS: Final = 15.0
"""Silence after which a comment is sent, so that both sides know of each other."""

_GLANCE: Final = 1.0
_LAST_EVENT_ID: Final = "Last-Event-ID"
_HEADERS: Final = {
    hdrs.CONTENT_TYPE: "text/event-stream",
    hdrs.CACHE_CONTROL: "no-store",
    "X-Accel-Buffering": "no",
}
_COMMENT: Final = b":\n\n"
_HELLO: Final = b"retry: 1000\n\n"


class Position(Message):
    """Where a stream begins: with the event after this one. ``Last-Event-ID`` counts before it."""

    after: Annotated[int, Field(ge=0, le=2**53)] | None = None


async def follow(request: web.Request) -> web.StreamResponse | None:
    """Tells of a job from an event on; nothing when that was its last one."""
    parts, job = request.app[PARTS], request.match_info["id"]
    client = request[CLIENT]
    after = _after(request)
    states = await parts.store.read(lambda c: standing(c, [job], client.sees))
    if job not in states:
        raise unknown_job(job)
    last = await parts.store.read(lambda c: last_seq(c, job))
    if after > last:
        raise Refusal("request.invalid", f"job {job} has {last} events so far, and none after number {after}")
    if states[job].final and after == last:
        return None
    make_room(request, client.name)
    response = web.StreamResponse(headers=_HEADERS)
    listening = parts.hub.subscribe(client.sees, job=job, after=after, pictures=False, who=client.name)
    with listening as subscription, suppress(ConnectionError, StorageFailed):
        await response.prepare(request)
        await _tell(request, response, subscription)
    return response


async def _tell(request: web.Request, response: web.StreamResponse, subscription: Subscription) -> None:
    """Writes what comes, and a comment when nothing does."""
    await written(request, response.write(_HELLO))
    silent = 0.0
    while not subscription.closed and not is_gone(request):
        news = await subscription.take(_GLANCE)
        silent = 0.0 if news else silent + _GLANCE
        if news:
            await written(request, response.write(b"".join(map(_frame, _told(news)))))
        elif silent >= BEAT_SECONDS:
            silent = 0.0
            await written(request, response.write(_COMMENT))
        if any(told.event.kind == "finished" for told in _told(news)):
            break


def _told(news: Sequence[News]) -> Sequence[Told]:
    return [each for each in news if isinstance(each, Told)]


def _frame(told: Told) -> bytes:
    return b"id: %d\nevent: %s\ndata: %s\n\n" % (told.event.seq, told.event.kind.encode(), told.line)


def _after(request: web.Request) -> int:
    """The number of the last event the client has.

    Raises:
        Refusal: It is none.
    """
    last = request.headers.get(_LAST_EVENT_ID)
    if last is None:
        return query_of(request, Position).after or 0
    if not (last.isascii() and last.isdecimal() and len(last) <= 15):
        raise Refusal("request.malformed", f"{_LAST_EVENT_ID} is the number of an event; found {last[:40]!r}")
    return int(last)


ROUTES: Final[Sequence[Route]] = (
    Route(
        "GET",
        f"{API}/jobs/{{id}}/events",
        follow,
        Role.READ,
        "What happens to a job, from its beginning or from an event on, as server-sent events",
        query=Position,
        also={204: "nothing comes after the event that was named; the job has ended"},
        refusals=("job.unknown", "request.malformed", "request.invalid", "server.busy"),
        gives=("text/event-stream",),
        headers={_LAST_EVENT_ID: "number of the last event that the client has"},
    ),
)
