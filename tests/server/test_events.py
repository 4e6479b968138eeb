"""The event stream of a job: complete whatever happens to the connection, and only for who may see the job."""

import asyncio
import random
from contextlib import suppress
from pathlib import Path

import aiohttp
import pytest

from nodeflow.protocol.events import JobEvent
from nodeflow.protocol.jobs import JobState
from nodeflow.storage.database import jobs
from tests.server.streaming import Served, events_in, served
from tests.server.watching import ended, started, steps


async def read_some(server: Served, job: str, after: int, most: int | None = None) -> tuple[int, list[JobEvent]]:
    """The status of a stream and the events that came; with ``most`` it is cut after so many bytes, wherever."""
    got = b""
    headers = server.headers(**{"Last-Event-ID": str(after)})
    async with server.http.get(f"{server.url}/api/v1/jobs/{job}/events", headers=headers) as answer:
        async for piece in answer.content.iter_any():
            got += piece
            if most is not None and len(got) >= most:
                break
        answer.close()
    return answer.status, list(events_in(got[:most]))


async def work(server: Served, job: str, count: int) -> None:
    """A job that does something now and then, and ends."""
    for _ in range(count):
        await steps(server.hub, job, 1)
        await asyncio.sleep(0.003)
    await ended(server.hub, server.store, job)


def test_a_stream_tells_what_was_and_what_happens_and_ends_with_the_job(tmp_path: Path) -> None:
    async def live() -> None:
        async with served(tmp_path) as server:
            job = await started(server.hub, server.store)
            await steps(server.hub, job, 5)
            working = asyncio.create_task(work(server, job, 20))
            status, told = await read_some(server, job, 0)
            await working
            assert status == 200
            assert [event.seq for event in told] == list(range(1, 29))
            assert told[-1].kind == "finished"
            assert await read_some(server, job, 28) == (204, [])
            assert [event.seq for event in (await read_some(server, job, 26))[1]] == [27, 28]

    asyncio.run(live())


def test_a_hundred_dropped_connections_give_one_stream_without_gap_or_repeat_that_ends_as_the_job_did(
    tmp_path: Path,
) -> None:
    async def live() -> None:
        chance = random.Random(21)
        async with served(tmp_path) as server:
            job = await started(server.hub, server.store)
            working = asyncio.create_task(work(server, job, 600))
            merged: list[JobEvent] = []
            connections = 0
            while not merged or merged[-1].kind != "finished":
                most = chance.randrange(40, 1500) if connections < 100 else None
                _, told = await read_some(server, job, merged[-1].seq if merged else 0, most)
                merged += told
                connections += 1
            await working
            assert connections > 100
            assert [event.seq for event in merged] == list(range(1, 604))
            info = await server.store.read(lambda c: jobs.info(c, job, "ann"))
            assert info is not None
            assert merged[-1].data["state"] == info.state == JobState.SUCCEEDED

    asyncio.run(live())


@pytest.mark.parametrize(
    ("last", "status", "code"),
    [("-1", 400, "request.malformed"), ("x\u00e9", 400, "request.malformed"), ("9" * 30, 400, "request.malformed")],
)
def test_a_position_that_is_none_is_refused(last: str, status: int, code: str, tmp_path: Path) -> None:
    async def live() -> None:
        async with served(tmp_path) as server:
            job = await started(server.hub, server.store)
            headers = server.headers(**{"Last-Event-ID": last})
            async with server.http.get(f"{server.url}/api/v1/jobs/{job}/events", headers=headers) as answer:
                assert (answer.status, (await answer.json())["code"]) == (status, code)

    asyncio.run(live())


def test_whom_a_job_does_not_concern_cannot_tell_it_from_one_that_is_not_there(tmp_path: Path) -> None:
    async def live() -> None:
        async with served(tmp_path) as server:
            job = await started(server.hub, server.store)

            async def asked(path: str, client: str) -> tuple[int, str]:
                headers = server.headers(client) if client else {}
                async with server.http.get(f"{server.url}/api/v1/jobs/{path}", headers=headers) as answer:
                    return answer.status, (await answer.json())["code"]

            assert await asked(f"{job}/events", "bob") == (404, "job.unknown")
            assert await asked(f"{'0' * 26}/events", "ann") == (404, "job.unknown")
            assert await asked(f"{job}/events?after=100", "ann") == (422, "request.invalid")
            assert await asked(f"{job}/events?after=x", "ann") == (422, "request.invalid")
            assert await asked(f"{job}/events?after={10**30}", "ann") == (422, "request.invalid")
            assert await asked(f"{job}/events", "") == (401, "auth.missing")

    asyncio.run(live())


def test_a_database_that_fails_is_told_as_that(tmp_path: Path) -> None:
    async def live() -> None:
        async with served(tmp_path) as server:
            job = await started(server.hub, server.store)
            await server.store.aclose()
            async with server.http.get(f"{server.url}/api/v1/jobs/{job}/events", headers=server.headers()) as answer:
                body = await answer.json()
                assert (answer.status, body["code"]) == (507, "server.storage")
                assert "log of the server" in body["hint"]
                assert "server.db" not in str(body)
            async with server.http.get(f"{server.url}/readyz") as answer:
                told = await answer.text()
                assert "the database; the log of the server has the reason" in told
                assert "server.db" not in told

    asyncio.run(live())


def test_there_is_room_for_so_many_streams_and_for_another_once_one_has_gone(tmp_path: Path) -> None:
    async def live() -> None:
        async with served(tmp_path, limits={"sockets": 4}) as server:
            job = await started(server.hub, server.store)
            path = f"{server.url}/api/v1/jobs/{job}/events"
            open_ones: list[aiohttp.ClientResponse] = []
            for client in ("ann", "root"):
                open_ones += [await server.http.get(path, headers=server.headers(client)) for _ in range(2)]
                async with server.http.get(path, headers=server.headers()) as answer:
                    assert (answer.status, (await answer.json())["code"]) == (503, "server.busy")
            for each in open_ones:
                each.close()
            async with asyncio.timeout(5.0):
                while server.hub.listening:
                    await asyncio.sleep(0.05)
            async with server.http.get(path, headers=server.headers()) as answer:
                assert answer.status == 200

    asyncio.run(live())


def test_silence_is_filled_with_comments(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nodeflow.server.routes.events.BEAT_SECONDS", 0.02)
    monkeypatch.setattr("nodeflow.server.routes.events._GLANCE", 0.01)

    async def live() -> None:
        async with served(tmp_path) as server:
            job = await started(server.hub, server.store)
            async with server.http.get(f"{server.url}/api/v1/jobs/{job}/events", headers=server.headers()) as answer:
                assert answer.headers["Content-Type"] == "text/event-stream"
                assert answer.headers["Cache-Control"] == "no-store"
                got = b""
                while got.count(b":\n\n") < 3:
                    got += await answer.content.readany()
                assert got.startswith(b"retry: 1000\n\nid: 1\nevent: queued\ndata: {")

    asyncio.run(live())


def test_an_end_of_the_server_ends_a_stream_so_that_the_client_comes_back(tmp_path: Path) -> None:
    async def live() -> None:
        async with served(tmp_path) as server:
            job = await started(server.hub, server.store)
            async with server.http.get(f"{server.url}/api/v1/jobs/{job}/events", headers=server.headers()) as answer:
                got = b""
                while len(events_in(got)) < 2:
                    got += await answer.content.readany()
                await server.hub.aclose()
                assert await answer.content.read() == b""

    asyncio.run(live())


def test_who_does_not_read_is_disconnected_and_may_go_on_where_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nodeflow.server.streams.STALL_SECONDS", 0.2)

    async def live() -> None:
        async with served(tmp_path) as server:
            job = await started(server.hub, server.store)
            stalled = aiohttp.ClientSession(read_bufsize=256)
            answer = await stalled.get(f"{server.url}/api/v1/jobs/{job}/events", headers=server.headers())
            for _ in range(600):
                await server.hub.publish(job, "ann", "warning", {"node": "n", "message": "x" * 20_000})
            await ended(server.hub, server.store, job)
            async with asyncio.timeout(5.0):
                while server.hub.listening:
                    await asyncio.sleep(0.02)
            got = b""
            with suppress(aiohttp.ClientError):
                async for piece in answer.content.iter_any():
                    got += piece
            await stalled.close()
            heard = events_in(got)
            assert 0 < len(heard) < 603
            _, rest = await read_some(server, job, heard[-1].seq)
            assert [event.seq for event in (*heard, *rest)] == list(range(1, 604))

    asyncio.run(live())
