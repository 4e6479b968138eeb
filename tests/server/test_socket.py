"""The WebSocket: many jobs at once, previews, notices; who does not read harms nobody."""

import asyncio
import gc
import json
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from nodeflow.protocol.work import Preview
from nodeflow.storage.database import jobs
from tests.server.streaming import Served, served
from tests.server.watching import ended, started, steps


@asynccontextmanager
async def connected(
    server: Served, client: str = "ann", **options: Any
) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
    """A WebSocket after its greeting."""
    headers = server.headers(client, **options.pop("headers", {}))
    async with server.http.ws_connect(f"{server.url}/api/v1/ws", headers=headers, **options) as ws:
        hello = await ws.receive_json(timeout=5)
        assert (hello["type"], hello["client"], hello["instance"]) == ("hello", client, server.hub.instance)
        yield ws


async def events_of(ws: aiohttp.ClientWebSocketResponse, count: int) -> dict[str, list[int]]:
    """The numbers of the next events, by job."""
    found: dict[str, list[int]] = {}
    for _ in range(count):
        message = await ws.receive_json(timeout=5)
        assert message["type"] == "event", message
        found.setdefault(message["event"]["job"], []).append(message["event"]["seq"])
    return found


def test_several_jobs_are_followed_each_from_where_the_client_was(tmp_path: Path) -> None:
    async def live() -> None:
        async with served(tmp_path) as server, connected(server) as ws:
            first, second, other = [await started(server.hub, server.store) for _ in range(3)]
            await ws.send_json({"type": "subscribe", "jobs": {first: 0, second: 1}})
            assert await events_of(ws, 3) == {first: [1, 2], second: [2]}
            await steps(server.hub, first, 2)
            await steps(server.hub, other, 2)
            await ended(server.hub, server.store, second)
            assert await events_of(ws, 3) == {first: [3, 4], second: [3]}
            await ws.send_json({"type": "unsubscribe", "jobs": [first]})
            await ws.send_json({"type": "ping", "id": 7})
            assert await ws.receive_json(timeout=5) == {"type": "pong", "id": 7}
            await steps(server.hub, first, 2)
            await server.hub.settle()
            await ws.send_json({"type": "ping"})
            assert (await ws.receive_json(timeout=5))["type"] == "pong"

    asyncio.run(live())


def test_everything_is_told_to_whom_it_concerns(tmp_path: Path) -> None:
    async def live() -> None:
        async with served(tmp_path) as server, connected(server) as ann, connected(server, "root") as root:
            for ws in (ann, root):
                await ws.send_json({"type": "everything"})
                await ws.send_json({"type": "ping"})
                await ws.receive_json(timeout=5)
            hers, his = await started(server.hub, server.store), await started(server.hub, server.store, "bob")
            assert await events_of(ann, 2) == {hers: [1, 2]}
            assert await events_of(root, 4) == {hers: [1, 2], his: [1, 2]}
            server.hub.notify("worker", {"name": "cpu-0", "job": his}, key="cpu-0")
            assert (await ann.receive_json(timeout=5))["data"] == {"name": "cpu-0"}
            assert (await root.receive_json(timeout=5))["data"] == {"name": "cpu-0", "job": his}

    asyncio.run(live())


def test_a_preview_is_a_length_a_head_and_a_picture(tmp_path: Path) -> None:
    async def live() -> None:
        async with served(tmp_path) as server, connected(server) as ws, connected(server, "bob") as bob:
            job = await started(server.hub, server.store)
            await bob.send_json({"type": "everything"})
            await ws.send_json({"type": "subscribe", "jobs": {job: 2}})
            await ws.send_json({"type": "ping"})
            await ws.receive_json(timeout=5)
            server.hub.preview("ann", Preview(job=job, node="sampler", step=3, total=20), b"\xff\xd8picture")
            frame = await ws.receive_bytes(timeout=5)
            (length,) = struct.unpack(">I", frame[:4])
            assert json.loads(frame[4 : 4 + length])["step"] == 3
            assert frame[4 + length :] == b"\xff\xd8picture"
            await bob.send_json({"type": "ping"})
            assert (await bob.receive_json(timeout=5))["type"] == "pong"

    asyncio.run(live())


def test_a_job_of_somebody_else_is_not_there(tmp_path: Path) -> None:
    async def live() -> None:
        async with served(tmp_path) as server, connected(server, "bob") as ws:
            hers, nobodys = await started(server.hub, server.store), "0" * 26
            await ws.send_json({"type": "subscribe", "jobs": {hers: 0, nobodys: 0}})
            for job in (hers, nobodys):
                said = await ws.receive_json(timeout=5)
                assert said == {"type": "error", "code": "job.unknown", "message": f"there is no job {job}", "job": job}

    asyncio.run(live())


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        "[]",
        "null",
        '{"type": "fly"}',
        '{"type": "subscribe", "jobs": {"../etc": 0}}',
        '{"type": "subscribe", "jobs": {"00000000000000000000000000": -1}}',
        '{"type": "ping", "id": 1, "more": 2}',
        "[" * 100_000,
        '{"type": "ping", "id": NaN}',
        "\x00",
        '{"type": "subscribe", "jobs": {"00000000000000000000000000": 1000000000000000000000000000000}}',
        '{"type": "ping", "id": 1000000000000000000000000000000}',
    ],
)
def test_a_message_that_makes_no_sense_is_answered_and_the_next_one_understood(text: str, tmp_path: Path) -> None:
    async def live() -> None:
        async with served(tmp_path) as server, connected(server) as ws:
            await ws.send_str(text)
            said = await ws.receive_json(timeout=5)
            assert (said["type"], said["code"]) == ("error", "request.invalid")
            assert "Traceback" not in said["message"]
            await ws.send_bytes(b"picture?")
            assert (await ws.receive_json(timeout=5))["code"] == "request.malformed"
            await ws.send_json({"type": "ping", "id": 1})
            assert await ws.receive_json(timeout=5) == {"type": "pong", "id": 1}

    asyncio.run(live())


def test_who_talks_only_nonsense_or_too_much_at_once_is_shown_the_door(tmp_path: Path) -> None:
    async def live() -> None:
        async with served(tmp_path) as server:
            async with connected(server) as ws:
                for _ in range(20):
                    await ws.send_str("nonsense")
                said = [await ws.receive(timeout=5) for _ in range(21)]
                assert said[-1].type is aiohttp.WSMsgType.CLOSE
                assert ws.close_code == 1008
            async with connected(server) as ws:
                await ws.send_str(json.dumps({"type": "ping", "id": 1}) + " " * 200_000)
                assert (await ws.receive(timeout=5)).type is aiohttp.WSMsgType.CLOSE
                assert ws.close_code == 1009
            assert server.hub.listening == 0

    asyncio.run(live())


def test_a_foreign_page_a_missing_token_and_a_plain_request_do_not_get_in(tmp_path: Path) -> None:
    async def live() -> None:
        async with served(tmp_path) as server:
            path = f"{server.url}/api/v1/ws"
            for headers, status in (
                (server.headers(Origin="https://evil.example"), 403),
                (server.headers(Origin="null"), 403),
                (server.headers(Host="evil.example"), 403),
                ({}, 401),
            ):
                with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                    await server.http.ws_connect(path, headers=headers)
                assert refused.value.status == status
            async with server.http.get(path, headers=server.headers()) as answer:
                assert (answer.status, (await answer.json())["code"]) == (400, "request.malformed")

    asyncio.run(live())


def test_a_token_that_is_revoked_ends_what_it_opened(tmp_path: Path) -> None:
    async def live() -> None:
        async with served(tmp_path) as server, connected(server) as ann, connected(server, "bob") as bob:
            server.hub.dismiss("ann")
            assert (await ann.receive(timeout=5)).type is aiohttp.WSMsgType.CLOSE
            await bob.send_json({"type": "ping"})
            assert (await bob.receive_json(timeout=5))["type"] == "pong"

    asyncio.run(live())


def test_a_slow_client_loses_previews_first_and_is_then_disconnected(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nodeflow.server.streams.STALL_SECONDS", 0.5)

    async def live() -> None:
        async with served(tmp_path) as server, connected(server, max_msg_size=0) as slow:
            job = await started(server.hub, server.store)
            await slow.send_json({"type": "subscribe", "jobs": {job: 0}})
            assert await events_of(slow, 2) == {job: [1, 2]}
            (subscription,) = server.hub._subscriptions
            assert slow._response.connection is not None
            transport = slow._response.connection.transport
            transport.pause_reading()  # type: ignore[union-attr]
            for step in range(1, 301):
                server.hub.preview("ann", Preview(job=job, node="sampler", step=step), bytes(100_000))
                await steps(server.hub, job, 1)
                await asyncio.sleep(0)
            await server.hub.settle()
            await asyncio.sleep(0.1)
            assert subscription.dropped > 100
            assert not subscription.closed
            transport.resume_reading()  # type: ignore[union-attr]
            seqs: list[int] = []
            pictures = 0
            while len(seqs) < 300:
                message = await slow.receive(timeout=5)
                if message.type is aiohttp.WSMsgType.BINARY:
                    pictures += 1
                else:
                    seqs.append(json.loads(message.data)["event"]["seq"])
            assert seqs == list(range(3, 303))
            assert pictures < 200
            transport.pause_reading()  # type: ignore[union-attr]
            for _ in range(300):
                await server.hub.publish(job, "ann", "warning", {"message": "x" * 50_000})
            async with asyncio.timeout(10):
                while server.hub.listening:
                    await asyncio.sleep(0.02)
            transport.abort()  # type: ignore[union-attr]

    asyncio.run(live())


def test_there_is_room_for_so_many_sockets(tmp_path: Path) -> None:
    async def live() -> None:
        async with served(tmp_path, limits={"sockets": 2}) as server, connected(server), connected(server, "bob"):
            with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                await server.http.ws_connect(f"{server.url}/api/v1/ws", headers=server.headers())
            assert refused.value.status == 503

    asyncio.run(live())


def test_a_database_that_fails_ends_a_conversation_and_nothing_else(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def live() -> None:
        async with served(tmp_path) as server, connected(server) as asking, connected(server) as hearing:
            job = await started(server.hub, server.store)
            await hearing.send_json({"type": "everything"})
            await hearing.send_json({"type": "ping"})
            await hearing.receive_json(timeout=5)
            await server.store.aclose()
            await asking.send_json({"type": "subscribe", "jobs": {job: 0}})
            assert (await asking.receive(timeout=5)).type in (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED)
            server.hub._subscriptions.copy().pop().follow(job)
            assert (await hearing.receive(timeout=5)).type in (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED)

    asyncio.run(live())
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []


def test_who_answers_no_ping_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nodeflow.server.routes.socket.PING_SECONDS", 0.1)

    async def live() -> None:
        async with served(tmp_path) as server, connected(server), connected(server, "bob", autoping=False) as silent:
            assert (await silent.receive(timeout=5)).type is aiohttp.WSMsgType.PING
            async with asyncio.timeout(5):
                while server.hub.listening_of("bob"):
                    await asyncio.sleep(0.02)

    asyncio.run(live())


def test_nothing_is_left_of_sockets_that_have_gone(tmp_path: Path) -> None:
    def left() -> int:
        gc.collect()
        return sum(type(each).__name__ in ("Subscription", "_Conversation") for each in gc.get_objects())

    async def live() -> None:
        async with served(tmp_path) as server:
            before = left()
            job = await started(server.hub, server.store)
            for _ in range(3):
                async with aiohttp.ClientSession() as session:
                    path = f"{server.url}/api/v1/ws"
                    sockets = [await session.ws_connect(path, headers=server.headers()) for _ in range(20)]
                    for ws in sockets:
                        await ws.send_json({"type": "subscribe", "jobs": {job: 0}})
                    assert server.hub.listening == 20
                    for ws in sockets:
                        assert ws._response.connection is not None
                        ws._response.connection.transport.abort()  # type: ignore[union-attr]
                async with asyncio.timeout(5):
                    while server.hub.listening:
                        await asyncio.sleep(0.01)
            async with asyncio.timeout(5):
                while left() > before:
                    await server.store.read(jobs.counts)  # whose thread remembers the last question
                    await asyncio.sleep(0.05)

    asyncio.run(live())
