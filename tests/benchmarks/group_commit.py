"""What the store of the server does in a second: submissions by many at once, each on the disk before its answer.

Beside it, the same submissions one after the other, and what lists and single jobs cost while 10,000 are queued.
"""

import argparse
import asyncio
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import NamedTuple

from nodeflow.protocol.ids import new_id
from nodeflow.protocol.jobs import JobState
from nodeflow.storage.database import jobs, retention
from nodeflow.storage.database.events import append
from nodeflow.storage.database.store import Store

DOCUMENT = b'{"nodeflow":1,"nodes":{}}' + b" " * 500


class Times(NamedTuple):
    """How often in a second, and how long one took, in milliseconds: the middle one, and the slowest but one in 100."""

    rate: float
    median: float
    p99: float

    def __str__(self) -> str:
        return f"{self.rate:8,.0f} a second; {self.median:6.2f} ms, p99 {self.p99:6.2f} ms"


async def timed(calls: int, clients: int, call: Callable[[], Awaitable[object]]) -> Times:
    """Makes as many calls by each of some clients at once."""
    took: list[float] = []

    async def client() -> None:
        for _ in range(calls // clients):
            begun = time.perf_counter()
            await call()
            took.append(time.perf_counter() - begun)

    begun = time.perf_counter()
    await asyncio.gather(*(client() for _ in range(clients)))
    seconds = time.perf_counter() - begun
    took.sort()
    return Times(len(took) / seconds, took[len(took) // 2] * 1000, took[int(len(took) * 0.99)] * 1000)


def a_job() -> jobs.NewJob:
    """A small job with an idempotency key."""
    return jobs.NewJob(
        id=new_id(), client="ann", document=DOCUMENT, created=time.time(), key=new_id(), body_digest="0" * 64
    )


async def measure(folder: Path, *, queued: int = 10_000, clients: int = 64) -> dict[str, Times]:
    """All rows of the table."""
    store = Store.open(folder / "server.db")

    async def submit() -> None:
        job = a_job()
        await store.write(lambda c: jobs.add(c, job, limit=10 * queued))

    rows = {
        f"submit, {clients} at once": await timed(queued, clients, submit),
        "submit, one after the other": await timed(max(queued // 20, 10), 1, submit),
    }
    page = await store.read(lambda c: jobs.page(c, client=None))
    one, many = page.jobs[len(page.jobs) // 2].id, max(queued // 20, 10)
    questions: dict[str, Callable[[], Awaitable[object]]] = {
        "first 100 jobs": lambda: store.read(lambda c: jobs.page(c, client=None)),
        "first 100 of a client": lambda: store.read(lambda c: jobs.page(c, client="ann")),
        "first 100 queued": lambda: store.read(lambda c: jobs.page(c, client=None, states=[JobState.QUEUED])),
        "first 1,000": lambda: store.read(lambda c: jobs.page(c, client=None, limit=1000)),
        "one job": lambda: store.read(lambda c: jobs.info(c, one, "ann")),
    }
    for name, question in questions.items():
        rows[name] = await timed(many, 1, question)
    rows["events of a step, 16 jobs"] = await timed(
        many * 4, 16, lambda: store.write(lambda c: append(c, one, [("node.progress", {"node": "a", "step": 1}, 1.0)]))
    )
    cancelled = [job.id for job in (await store.read(lambda c: jobs.page(c, client=None, limit=1000))).jobs]
    await store.write(lambda c: [jobs.cancel(c, id, 1.0) for id in cancelled])
    rows["200 old jobs go"] = await timed(
        len(cancelled) // 200 or 1, 1, lambda: store.write(lambda c: retention.drop_jobs(c, 2.0))
    )
    await store.aclose()
    return rows


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--queued", type=int, default=10_000)
    parser.add_argument("--folder", type=Path, help="where the database is made; decides what a sync costs")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=asked.folder) as folder:
        rows = asyncio.run(measure(Path(folder), queued=asked.queued))
    for name, times in rows.items():
        print(f"{name:30} {times}")
    together, alone = list(rows.values())[:2]
    print(f"together {together.rate / alone.rate:.1f} times as many as one after the other")


if __name__ == "__main__":
    main()
