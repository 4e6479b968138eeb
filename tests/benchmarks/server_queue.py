"""A queue of 10,000 jobs: what a list, a look and one more submission take.

    python tests/benchmarks/server_queue.py [JOBS [REQUESTS]]

The queue is paused, so that it stays as long as it is. Each kind of request is sent one after the other over one
connection, to a real server in a process of its own. Printed are milliseconds: median, p99 and the longest.
"""

import asyncio
import json
import random
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from tests.serving.asking import Asking, Reply
from tests.serving.documents import plain
from tests.serving.load import API
from tests.serving.process import Served

_AT_ONCE = 64


async def main(jobs: int = 10_000, requests: int = 500) -> dict[str, dict[str, float]]:
    """The figures of each kind of request."""
    config = ("[server]", "start_paused = true", f"limits = {{queue = {jobs + 2 * requests + 100}}}")
    with tempfile.TemporaryDirectory(prefix="nodeflow-queue-") as name:
        served = Served(Path(name), workers="cpu", config=config)
        try:
            served.start()
            async with Asking(served.url, _AT_ONCE) as asking:
                await served.answering(asking, "/readyz")
                filled = time.perf_counter()
                ids = await _fill(asking, jobs)
                filled = time.perf_counter() - filled
                figures = {what: await _timed(send, requests) for what, send in _kinds(asking, ids).items()}
                assert await served.stop() == 0
        finally:
            served.end()
    return {"filled": {"seconds": filled, "a second": jobs / filled}, **figures}


async def _fill(asking: Asking, jobs: int) -> list[str]:
    numbers = iter(range(jobs))
    ids: list[str] = []

    async def client() -> None:
        for number in numbers:
            reply = await asking.post(f"{API}/jobs", {"document": plain(f"n{number}")})
            assert reply.status == 201, reply
            ids.append(reply.body["id"])

    await asyncio.gather(*(client() for _ in range(_AT_ONCE)))
    return sorted(ids)


def _kinds(asking: Asking, ids: list[str]) -> dict[str, Callable[[int], Awaitable[Reply]]]:
    chance = random.Random(0)
    return {
        "list": lambda _: asking.get(f"{API}/jobs"),
        "list, queued, from the middle": lambda _: asking.get(f"{API}/jobs?state=queued&after={chance.choice(ids)}"),
        "look": lambda _: asking.get(f"{API}/jobs/{chance.choice(ids)}"),
        "submit": lambda number: asking.post(f"{API}/jobs", {"document": plain(f"more{number}")}),
        "queue": lambda _: asking.get(f"{API}/queue"),
        "cancel": lambda number: asking.post(f"{API}/jobs/{ids[number * 7 % len(ids)]}/cancel"),
        "to the front": lambda number: asking.ask(
            "PATCH", f"{API}/jobs/{ids[-1 - number]}", {"before": ids[-2 - number]}
        ),
    }


async def _timed(send: Callable[[int], Awaitable[Reply]], requests: int) -> dict[str, float]:
    taken: list[float] = []
    for number in range(requests):
        begun = time.perf_counter()
        reply = await send(number)
        taken.append((time.perf_counter() - begun) * 1000)
        assert reply.status < 300, reply
    taken.sort()
    return {"median": taken[len(taken) // 2], "p99": taken[int(len(taken) * 0.99)], "most": taken[-1]}


if __name__ == "__main__":
    for what, figures in asyncio.run(main(*map(int, sys.argv[1:]))).items():
        print(what, json.dumps({name: round(value, 1) for name, value in figures.items()}))
