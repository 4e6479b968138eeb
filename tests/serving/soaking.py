"""Many tiny jobs, and what the processes of a server and its home grow by."""

import asyncio
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from statistics import mean

from tests.serving.asking import Asking
from tests.serving.documents import drawn, written
from tests.serving.load import API
from tests.serving.process import Served

BATCH = 25
"""Jobs between two looks."""
KEPT_JOBS, KEPT_BYTES = 50, 20_000
"""What retention leaves, reached long before the end."""
_CONFIG = (
    "[server]",
    f"retention = {{jobs_count = {KEPT_JOBS}, outputs_bytes = {KEPT_BYTES}}}",
    "[cache]",
    'memory = "200 kB"',
    'disk = "1 MB"',
)
_HURRIED = (sys.executable, "-P", str(Path(__file__).with_name("hurried.py")))
_SETTLE = 1.5
"""Seconds in which a round of retention comes to its end."""

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Look:
    """What there was at one moment, with no job running."""

    jobs: int
    server_rss: int
    worker_rss: int
    server_files: int
    worker_files: int
    server_threads: int
    worker_threads: int
    processes: int
    disk: int
    disk_files: int


@dataclass
class Soaked:
    """All looks, from the end of the warm-up on, and what was wrong."""

    looks: list[Look] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    disk: dict[str, int] = field(default_factory=dict)
    stored: int = 0

    def ends(self, of: str) -> tuple[float, float]:
        """A figure at the beginning and at the end, each the mean of a fifth of all looks."""
        values: Sequence[int] = [getattr(look, of) for look in self.looks]
        some = max(1, len(values) // 5)
        return mean(values[:some]), mean(values[-some:])

    def growth(self, of: str) -> float:
        """By how much a figure grew."""
        first, last = self.ends(of)
        return last - first


async def soak(folder: Path, jobs: int, warm: int, say: Say = lambda _: None) -> Soaked:
    """Runs jobs, most of them to their end; some are cancelled, some are followed.

    Args:
        folder: Where everything is put.
        jobs: How many there are, with those of the warm-up.
        warm: Jobs before the first look.
        say: Is told how it goes.
    """
    found = Soaked()
    served = Served(folder, workers="cpu", config=_CONFIG, program=_HURRIED)
    try:
        served.start()
        async with Asking(served.url) as asking:
            await served.answering(asking, "/readyz")
            await served.working(asking)
            for first in range(0, jobs, BATCH):
                await asyncio.gather(*(_one(asking, number, found) for number in range(first, first + BATCH)))
                if first + BATCH > warm:
                    await asyncio.sleep(_SETTLE)
                    found.looks.append(_look(served, first + BATCH))
                    say(str(found.looks[-1]))
            found.stored = (await asking.get(f"{API}/jobs?limit=1")).body["total"]
        found.disk = {place.name: _weight(place)[0] for place in sorted(served.home.iterdir())}
        assert await served.stop() == 0
    finally:
        served.end()
    found.wrong += served.faults()
    return found


async def _one(asking: Asking, number: int, found: Soaked) -> None:
    name = f"n{number}"
    document = drawn(name, 0) if number % 5 == 0 else written(name, 0)
    id = (await asking.post(f"{API}/jobs", {"document": document, "key": name})).body["id"]
    if number % 10 == 3:
        await asking.post(f"{API}/jobs/{id}/cancel")
    if number % 10 == 6:
        await asking.get(f"{API}/jobs/{id}/events")  # ends with the job
    info = (await asking.get(f"{API}/jobs/{id}?wait=60")).body
    expected = ("succeeded", "cancelled") if number % 10 == 3 else ("succeeded",)
    if info["state"] not in expected:
        found.wrong.append(f"{name} is {info['state']}: {info['error']}")


def _look(served: Served, jobs: int) -> Look:
    server = served.process
    children = server.children(recursive=True)
    worker = max(children, key=lambda child: child.memory_info().rss)
    size, files = _weight(served.home)
    return Look(
        jobs=jobs,
        server_rss=server.memory_info().rss,
        worker_rss=worker.memory_info().rss,
        server_files=server.num_fds(),
        worker_files=worker.num_fds(),
        server_threads=server.num_threads(),
        worker_threads=worker.num_threads(),
        processes=1 + len(children),
        disk=size,
        disk_files=files,
    )


def _weight(place: Path) -> tuple[int, int]:
    """Bytes and number of files; what goes meanwhile does not count."""
    size = count = 0
    for path in (place, *place.rglob("*")):
        with suppress(OSError):
            if path.is_file():
                size, count = size + path.stat().st_size, count + 1
    return size, count
