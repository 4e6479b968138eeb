"""The events of a job, in order, whatever happens to the connection or to the server."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable
from typing import Final

from pydantic import ValidationError

from nodeflow.client.errors import Misunderstood, Unreachable
from nodeflow.client.transport import LOST, Ask, Patience, Transport
from nodeflow.protocol.events import JobEvent

_SILENCE: Final = 50.0
"""The server says something every 15 seconds; after more than three times of that nobody is there."""
_LASTED: Final = 1.0
"""Seconds after which a connection that breaks has been one: the server is waited for anew."""
_LAST: Final = "finished"
_NO_CONTENT: Final = 204


async def follow(transport: Transport, job: str, after: int, patience: float) -> AsyncGenerator[JobEvent]:
    """Every event behind number ``after`` exactly once, up to the last one.

    Raises:
        Refused: There is no such job.
        Unreachable: The server went away and did not come back in time.
    """
    time = asyncio.get_running_loop().time
    seen = after
    waiting = Patience(patience)
    while True:
        opened: float | None = None
        headers = {"Last-Event-ID": str(seen), "Accept": "text/event-stream"}
        path = f"/api/v1/jobs/{job}/events"
        try:
            async with transport.opened(
                Ask("GET", path, headers=headers, repeatable=True, silence=_SILENCE)
            ) as response:
                if response.status == _NO_CONTENT:
                    return
                opened = time()
                async for event in events_of(response.content.iter_any()):
                    if event.seq <= seen:
                        continue
                    seen = event.seq
                    waiting = Patience(patience)
                    yield event
                    if event.kind == _LAST:
                        return
        except LOST:
            pause = None
        else:
            pause = 0.0 if seen > after else None
        if opened is not None and time() - opened > _LASTED:
            waiting = Patience(patience)
        if not await waiting.again(pause):
            raise Unreachable(f"{transport.address.url} stopped telling of job {job}, and does not go on")


async def events_of(chunks: AsyncIterable[bytes]) -> AsyncGenerator[JobEvent]:
    """The events in a stream of server-sent events, however it is cut; what it breaks off in is left out.

    Raises:
        Misunderstood: One is no event of a job.
    """
    async for data in messages_of(chunks):
        try:
            event = JobEvent.model_validate_json(data)
        except ValidationError as error:
            raise Misunderstood(f"an event of the server is none of this version: {data[:200]!r}") from error
        yield event


async def messages_of(chunks: AsyncIterable[bytes]) -> AsyncGenerator[bytes]:
    """The data of server-sent events; comments and other fields are left out."""
    rest = b""
    lines: list[bytes] = []
    async for chunk in chunks:
        *whole, rest = (rest + chunk).split(b"\n")
        for raw in whole:
            line = raw.removesuffix(b"\r")
            if line.startswith(b"data:"):
                lines.append(line[5:].removeprefix(b" "))
            elif not line and lines:
                yield b"\n".join(lines)
                lines = []
