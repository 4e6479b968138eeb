"""Random cancels: ``python -m tests.stress.cancels`` cancels 1,000 jobs of 2,000 at random moments."""

import asyncio
import random
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from nodeflow.protocol.errors import Refusal
from nodeflow.protocol.jobs import JobState
from tests.server.working import Shop, shop


@dataclass(frozen=True)
class Told:
    """How the jobs ended."""

    cancelled: int
    succeeded: int


def cancel_at_random(folder: Path, *, jobs: int, workers: int, seed: int) -> Told:
    """Runs jobs of a few steps, cancels every other one at some moment of its life, and looks at each afterwards."""
    return asyncio.run(_story(folder, jobs, workers, random.Random(seed)))


async def _story(folder: Path, count: int, workers: int, chance: random.Random) -> Told:
    async with shop(folder, ("cpu",) * workers) as it:
        await it.ready()
        waiting = [asyncio.create_task(_one(it, chance.random(), chance.random() < 0.5)) for _ in range(count)]
        states = list(await asyncio.gather(*waiting))
        queue = await it.jobs.queue()
        assert (queue.queued, queue.running) == (0, 0)
        assert sum(info.restarts for info in queue.workers) == 0, "a cancel has cost a worker"
        return Told(states.count(JobState.CANCELLED), states.count(JobState.SUCCEEDED))


async def _one(it: Shop, moment: float, doomed: bool) -> JobState:
    job = await it.submit({"do": [["steps", 2]]}, f"client-{int(moment * 5)}")
    refused = doomed and not await _cancelled(it, job, moment * 2)
    info = await it.done(job, 300)
    kinds = [event.kind for event in await it.events(job)]
    assert kinds[-1] == "finished"
    assert kinds.count("finished") == 1
    assert len(info.attempts) <= 1
    if not doomed:
        assert info.state is JobState.SUCCEEDED, "a neighbour was touched"
    if refused:
        assert info.state is JobState.SUCCEEDED
    return info.state


async def _cancelled(it: Shop, job: str, moment: float) -> bool:
    """Whether it could still be cancelled after so many seconds."""
    await asyncio.sleep(moment)
    try:
        await it.jobs.cancel(job)
    except Refusal as refusal:
        if refusal.body.code != "job.final":
            raise
        return False
    return True


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place:
        told = cancel_at_random(Path(place), jobs=2000, workers=4, seed=int(sys.argv[1]) if sys.argv[1:] else 1)
        print(f"{told.cancelled} cancelled, {told.succeeded} succeeded, no neighbour was touched")
