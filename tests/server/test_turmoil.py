"""Everything at once: crashes, deadlines, cancels, pauses, renewals and stops; each job has one end all the same."""

import asyncio
import random
from pathlib import Path
from typing import Any

import pytest

from nodeflow.protocol.errors import Refusal
from nodeflow.protocol.jobs import JobState
from nodeflow.server.settings import ServerSettings
from tests.server.working import Shop, shop

DEEDS: list[tuple[dict[str, Any], dict[str, Any], set[str]]] = [
    ({}, {}, {"succeeded"}),
    ({"do": [["steps", 3]], "files": ["x.txt"]}, {}, {"succeeded"}),
    ({"do": [["exit", 3]]}, {}, {"failed"}),
    ({"do": [["signal", 9]]}, {}, {"failed"}),
    ({"do": [["steps", 1000]]}, {"deadline": 0.05}, {"failed"}),
    ({"do": [["sleep", 0.02]]}, {"priority": 3}, {"succeeded"}),
]
"""What a job does, its options, and how it may end unless it is cancelled."""


async def disturb(it: Shop, chance: random.Random, jobs: list[str]) -> None:
    """One thing that a person may do at any moment."""
    match chance.randrange(5):
        case 0:
            try:
                await it.jobs.cancel(chance.choice(jobs))
            except Refusal as refusal:
                if refusal.body.code != "job.final":
                    raise
        case 1:
            await it.jobs.pause()
            await asyncio.sleep(0.005)
            await it.jobs.resume()
        case 2:
            chance.choice(list(it.workers)).renew()
        case 3:
            await it.jobs.page(limit=10)
        case _:
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("seed", range(2))
def test_each_job_has_one_end_whatever_happens(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    expected: dict[str, set[str]] = {}

    async def story(last: bool) -> None:
        async with shop(tmp_path, ("cpu",) * 3, settings=ServerSettings(stop_seconds=1.0)) as it:
            for _ in range(15):
                document, options, ends = chance.choice(DEEDS)
                client = chance.choice("abc")
                expected[await it.submit(document, client, **options)] = ends
                await disturb(it, chance, list(expected))
            if not last:
                return
            for job, ends in expected.items():
                info = await it.done(job)
                assert info.state in ends | {"cancelled"}, info
                kinds = [event.kind for event in await it.events(job)]
                assert kinds.count("finished") == 1
                assert kinds[-1] == "finished"
                assert kinds.count("attempt") == len(info.attempts)
                assert [attempt.ending for attempt in info.attempts].count("worker_lost") <= 2
                assert all(attempt.ended is not None for attempt in info.attempts)
                if info.state is JobState.CANCELLED:
                    assert "cancelling" in kinds or not info.attempts or info.attempts[-1].ending != "cancelled"

            async def quiet() -> bool:
                queue = await it.jobs.queue()
                return (queue.queued, queue.running) == (0, 0) and all(each.state == "idle" for each in queue.workers)

            await it.until(quiet)

    for number in range(3):
        asyncio.run(story(last=number == 2))
