"""Events and files come whole, and once, over connections that break and servers that are started anew."""

import asyncio
import hashlib
import json
import random
from pathlib import Path
from typing import Any

import pytest

from nodeflow.client import AsyncClient, Client, Unreachable
from nodeflow.protocol.events import JobEvent
from nodeflow.protocol.jobs import JobState
from tests.cli.conftest import document, interface
from tests.cli.liveserver import LiveServer
from tests.client.cutting import wire_to


def counting(seconds: float, seed: int = 0, count: int = 20) -> dict[str, Any]:
    nodes = {f"c{n}": ("Count", {"steps": 5, "seconds": seconds, "seed": n + seed}) for n in range(count)}
    outputs = {f"o{n}": f"c{n}.number" for n in range(count)}
    return dict(json.loads(document(nodes, interface=interface({}, outputs))))


def whole(events: list[JobEvent]) -> None:
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    assert [event.kind for event in events].count("finished") == 1
    assert events[-1].kind == "finished"


def test_a_wire_that_is_cut_again_and_again_loses_and_repeats_nothing(
    server: LiveServer, home: Path, far_port: int
) -> None:
    async def follow() -> tuple[list[JobEvent], list[JobEvent], int]:
        async with AsyncClient(server.url) as near, wire_to(server.port, far_port, 3000, 7) as wire:
            job = (await near.submit(counting(0.002))).id
            async with AsyncClient(wire.url, token_of(home)) as far:
                seen = [event async for event in far.events(job)]
                return seen, [event async for event in near.events(job)], wire.cuts

    seen, told, cuts = asyncio.run(asyncio.wait_for(follow(), 60))
    whole(seen)
    assert seen == told
    assert cuts > 5


def test_the_stream_ends_in_the_state_that_the_job_shows(server: LiveServer) -> None:
    with Client(server.url) as client:
        job = client.submit(counting(0.0)).id
        last = list(client.events(job))[-1]
        assert last.data["state"] == client.info(job).state == client.wait(job).state == JobState.SUCCEEDED
        assert list(client.events(job, last.seq)) == []
        assert [event.seq for event in client.events(job, last.seq - 2)] == [last.seq - 1, last.seq]


def test_a_caller_may_stop_listening(server: LiveServer) -> None:
    with Client(server.url) as client:
        job = client.submit(counting(0.05, seed=1000)).id
        events = client.events(job)
        assert next(events).kind == "queued"
        events.close()
        assert client.wait(job, 0.0).state in (JobState.QUEUED, JobState.RUNNING)
        client.cancel(job)
        assert client.wait(job).state is JobState.CANCELLED


def test_a_file_comes_whole_over_a_wire_that_is_cut(server: LiveServer, home: Path, far_port: int) -> None:
    sent = random.Random(1).randbytes(200_000)
    texts = {"w": ("Write", {"text": sent.hex(), "prefix": "long"})}

    async def fetch() -> tuple[str, str, int]:
        async with AsyncClient(server.url) as near, wire_to(server.port, far_port, 150_000, 3) as wire:
            job = (await near.submit(json.loads(document(texts)))).id
            await near.wait(job)
            (file,) = (await near.report(job)).files
            digest = hashlib.sha256()
            async with AsyncClient(wire.url, token_of(home)) as far:
                async for piece in far.download(file.id):
                    digest.update(piece)
            return digest.hexdigest(), file.sha256, wire.cuts

    got, told, cuts = asyncio.run(asyncio.wait_for(fetch(), 60))
    assert got == told
    assert cuts > 1


def test_files_are_sent_under_their_names_and_no_other_is_replaced(server: LiveServer, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"one")
    with Client(server.url) as client:
        assert client.upload(tmp_path / "a.txt", "notes/a.txt").name == "notes/a.txt"
        assert client.upload(tmp_path / "a.txt", "notes/a.txt").sha256 == hashlib.sha256(b"one").hexdigest()
        (tmp_path / "a.txt").write_bytes(b"another")
        with pytest.raises(Exception, match=r"file\.exists"):
            client.upload(tmp_path / "a.txt", "notes/a.txt")
        client.upload(tmp_path / "a.txt", "notes/a.txt", replace=True)
        assert [(file.name, file.bytes) for file in client.files().files] == [("notes/a.txt", 7)]
        client.delete_file("notes/a.txt")
        assert client.files().total == 0


def test_events_go_on_when_the_server_was_killed_and_started_again(home: Path, tmp_path: Path) -> None:
    own = home_like(home, tmp_path)
    server = LiveServer(own, tmp_path / "log.txt")
    try:
        server.wait_until_ready()
        token = token_of(own)
        with Client(server.url, token) as client:
            job = client.submit(counting(0.05, count=4)).id
            seen: list[JobEvent] = []
            for event in client.events(job):
                seen.append(event)
                if event.seq == 6:
                    server.kill()
                    server = LiveServer(own, tmp_path / "log.txt", port=server.port)
            whole(seen)
            info = client.info(job)
            assert info.state is JobState.SUCCEEDED
            assert [attempt.ending for attempt in info.attempts] == ["worker_lost", "succeeded"]
            assert [event.kind for event in seen].count("attempt") == 2
    finally:
        server.stop()


def test_a_server_that_does_not_come_back_is_told(home: Path, tmp_path: Path) -> None:
    own = home_like(home, tmp_path)
    server = LiveServer(own, tmp_path / "log.txt", "--start-paused")
    server.wait_until_ready()
    token = token_of(own)
    with Client(server.url, token, patience=0.5) as client:
        job = client.submit(counting(0.0)).id
        events = client.events(job)
        assert next(events).kind == "queued"
        assert server.stop() == 0
        with pytest.raises(Unreachable):
            list(events)


def token_of(home: Path) -> str:
    return (home / "server.token").read_text().strip()


def home_like(home: Path, place: Path) -> Path:
    """Another home with the same packs."""
    (place / "home").mkdir()
    (place / "home/packs").symlink_to(home / "packs")
    return place / "home"
