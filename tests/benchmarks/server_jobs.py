"""What a job costs that computes next to nothing: from its submission to its end on the disk, by real workers.

Beside it, the same by stand-ins that compute nothing at all: what is left is the server's own part.
"""

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from itertools import count
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from nodeflow.server.workers import PROGRAM
from tests.server.working import STAND_IN, Shop, shop

FRESH = count()


class Times(NamedTuple):
    """Jobs in a second when many wait, and milliseconds from submission to end, one after the other."""

    rate: float
    latency: float

    def __str__(self) -> str:
        return f"{self.rate:8,.0f} a second; {self.latency:6.1f} ms one after the other"


def a_document() -> bytes:
    """A number, another one each time; nothing else."""
    nodes = {"number": {"type": "Number", "version": 1, "inputs": {"value": next(FRESH)}}}
    outputs = {"number": {"from": "number.number"}}
    return json.dumps({"nodeflow": 1, "nodes": nodes, "interface": {"inputs": {}, "outputs": outputs}}).encode()


async def measure(folder: Path, program: Sequence[str], workers: int, jobs: int) -> Times:
    """One row of the table."""
    async with shop(folder, ("cpu",) * workers, program=program) as it:
        await it.ready()
        await _many(it, 10 * workers)
        return Times(jobs / await _many(it, jobs), await _single(it, jobs // 4) * 1000)


async def _many(it: Shop, jobs: int) -> float:
    """Seconds from the moment at which they may begin."""
    await it.jobs.pause()
    ids = [await it.submit(a_document()) for _ in range(jobs)]
    begun = time.perf_counter()
    await it.jobs.resume()
    await asyncio.gather(*(it.done(id, 600) for id in ids))
    return time.perf_counter() - begun


async def _single(it: Shop, jobs: int) -> float:
    begun = time.perf_counter()
    for _ in range(jobs):
        await it.done(await it.submit(a_document()))
    return (time.perf_counter() - begun) / jobs


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=400)
    asked = parser.parse_args()
    for name, program in (("real", PROGRAM), ("stand-in", STAND_IN)):
        for workers in (1, 2):
            with tempfile.TemporaryDirectory(prefix="nodeflow-jobs-") as folder:
                print(f"{name:<9} x {workers}: {asyncio.run(measure(Path(folder), program, workers, asked.jobs))}")


if __name__ == "__main__":
    main()
