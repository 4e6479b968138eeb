"""Server-sent events, however the connection cuts them."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

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
