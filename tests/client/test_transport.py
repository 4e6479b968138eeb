"""Connections that fail: what is asked again, what is not, and how it is told."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer, unused_port

from nodeflow.client import AsyncClient, Client, Unavailable, Unreachable
from nodeflow.client.errors import Misunderstood, Refused
from nodeflow.protocol.errors import ErrorBody
from nodeflow.protocol.jobs import QueueInfo

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
QUEUE = QueueInfo(paused=False, queued=0, running=0, limit=1, workers=())


def says(status: int, message: object, **headers: str) -> web.Response:
    text = message.model_dump_json() if hasattr(message, "model_dump_json") else str(message)
    return web.Response(status=status, text=text, headers=headers)


def starting() -> web.Response:
    return says(503, ErrorBody(code="server.starting", message="it starts"), **{"Retry-After": "0.01"})


@asynccontextmanager
async def server(handler: Handler) -> AsyncIterator[str]:
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handler)
    async with TestServer(app) as running:
        yield str(running.make_url(""))


def test_nobody_there_is_told_at_once_with_the_way_out() -> None:
    async def ask() -> None:
        async with AsyncClient(f"http://127.0.0.1:{unused_port()}", patience=60) as client:
            await client.queue()

    with pytest.raises(Unreachable, match=r"no server answers at .*: start one with `nodeflow serve`"):
        asyncio.run(asyncio.wait_for(ask(), 5))


def test_a_server_that_starts_is_waited_for() -> None:
    asked: list[str] = []

    async def handler(request: web.Request) -> web.StreamResponse:
        asked.append(request.path)
        return starting() if len(asked) < 3 else says(200, QUEUE)

    async def ask() -> QueueInfo:
        async with server(handler) as url, AsyncClient(url) as client:
            return await client.queue()

    assert asyncio.run(ask()) == QUEUE
    assert asked == ["/api/v1/queue"] * 3


def test_waiting_has_an_end() -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        return starting()

    async def ask() -> None:
        async with server(handler) as url, AsyncClient(url, patience=0.05) as client:
            await client.queue()

    with pytest.raises(Unavailable, match="it starts"):
        asyncio.run(ask())


def test_what_was_sent_and_lost_is_asked_again_only_where_that_does_no_harm() -> None:
    asked: list[str] = []

    async def handler(request: web.Request) -> web.StreamResponse:
        asked.append(request.path)
        if request.path.endswith("queue") and len(asked) != 2:
            return says(200, QUEUE)
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    async def ask() -> None:
        async with server(handler) as url, AsyncClient(url, patience=2) as client:
            await client.queue()
            await client.queue()
            assert len(asked) == 3
            with pytest.raises(Unreachable, match="was lost"):
                await client.retry("0" * 26)

    asyncio.run(ask())
    assert asked[3:] == [f"/api/v1/jobs/{'0' * 26}/retry"]


def test_a_submission_that_is_sent_twice_has_one_key() -> None:
    bodies: list[bytes] = []

    async def handler(request: web.Request) -> web.StreamResponse:
        if request.method == "GET":
            return says(200, QUEUE)
        bodies.append(await request.read())
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    async def ask() -> None:
        async with server(handler) as url, AsyncClient(url, patience=0.4) as client:
            await client.queue()
            with pytest.raises(Unreachable):
                await client.submit({"nodeflow": 1, "nodes": {}})

    asyncio.run(ask())
    assert len(bodies) > 1
    assert len(set(bodies)) == 1
    assert b'"key":"' in bodies[0]


def test_another_program_at_the_address_is_not_taken_for_a_server() -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        return says(404 if request.path.endswith("queue") else 200, "<html>")

    async def ask() -> None:
        async with server(handler) as url, AsyncClient(url) as client:
            with pytest.raises(Misunderstood, match="HTTP 404 without an error of ours"):
                await client.queue()
            with pytest.raises(Misunderstood, match="is it a nodeflow server, and of this version"):
                await client.info("0" * 26)

    asyncio.run(ask())


def test_a_refusal_is_an_exception_with_its_code() -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        return says(404, ErrorBody(code="job.unknown", message="there is no job x", hint="nodeflow jobs lists them"))

    async def ask() -> None:
        async with server(handler) as url, AsyncClient(url) as client:
            await client.info("x")

    with pytest.raises(Refused, match=r"there is no job x → nodeflow jobs lists them \[job.unknown\]"):
        asyncio.run(ask())


def test_a_client_for_threads_ends_its_own() -> None:
    client = Client(f"http://127.0.0.1:{unused_port()}")
    with client, pytest.raises(Unreachable):
        client.queue()
    client.close()
