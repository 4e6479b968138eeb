"""Server-sent events, however the connection cuts them."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from itertools import pairwise

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from hypothesis import given
from hypothesis import strategies as st

from nodeflow.client import AsyncClient
from nodeflow.client.errors import Misunderstood
from nodeflow.client.events import events_of, messages_of
from nodeflow.protocol.events import JobEvent

JOB = "0" * 26
EVENTS = [JobEvent(job=JOB, seq=n, at=1.5, kind="shown", data={"text": "ü\nx" * n}) for n in range(1, 4)]
STREAM = b": hello\n\n" + b"".join(
    f"id: {event.seq}\nevent: {event.kind}\ndata: {event.model_dump_json()}\n\n".encode() for event in EVENTS
)


async def chunks(pieces: Sequence[bytes]) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece


@given(st.lists(st.integers(0, len(STREAM)), max_size=20))
def test_events_come_whole_wherever_the_stream_is_cut(cuts: list[int]) -> None:
    places = [0, *sorted(cuts), len(STREAM)]
    pieces = [STREAM[a:b] for a, b in pairwise(places)]

    async def read() -> list[JobEvent]:
        return [event async for event in events_of(chunks(pieces))]

    assert asyncio.run(read()) == EVENTS


def test_what_a_stream_breaks_off_in_is_left_out() -> None:
    async def read() -> list[JobEvent]:
        return [event async for event in events_of(chunks([STREAM[:-1]]))]

    assert asyncio.run(read()) == EVENTS[:2]


def test_lines_may_end_as_they_do_elsewhere_and_data_may_have_several() -> None:
    async def read() -> list[bytes]:
        return [data async for data in messages_of(chunks([b"data: a\r\ndata:b\r\n\r\nretry: 5\r\n\r\ndata: c\n\n"]))]

    assert asyncio.run(read()) == [b"a\nb", b"c"]


def test_what_is_no_event_is_told() -> None:
    async def read() -> None:
        async for _ in events_of(chunks([b'data: {"seq": 1}\n\n'])):
            pass

    with pytest.raises(Misunderstood, match="none of this version"):
        asyncio.run(read())


def test_a_server_that_goes_away_after_a_long_silence_is_waited_for_as_any_other() -> None:
    visits: list[str] = []

    async def stream(request: web.Request) -> web.StreamResponse:
        visits.append(request.headers["Last-Event-ID"])
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        if len(visits) == 1:  # the job waits, and nothing happens to it until the server is restarted
            await response.write(b"retry: 1000\n\n")
            await asyncio.sleep(1.2)
        else:
            last = JobEvent(job=JOB, seq=1, at=1.5, kind="finished")
            await response.write(f"data: {last.model_dump_json()}\n\n".encode())
        return response

    async def story() -> list[str]:
        app = web.Application()
        app.router.add_get("/api/v1/jobs/{id}/events", stream)
        async with TestServer(app) as server, AsyncClient(str(server.make_url("")), patience=1.0) as client:
            return [event.kind async for event in client.events(JOB)]

    assert asyncio.run(story()) == ["finished"]
    assert visits == ["0", "0"]
