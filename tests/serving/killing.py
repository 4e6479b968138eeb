"""A server under load that is killed again and again, and the account of what it had promised."""

import asyncio
import random
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import psutil

from tests.serving.asking import Asking, Lost
from tests.serving.ledger import Compared, Ledger, compare, sound_copy
from tests.serving.load import API, Load
from tests.serving.process import Served, gone

CLIENTS = 4
LISTENERS = 2
_DRAIN_SECONDS = 120.0
_ORDERLY = "asked to stop"
_WAYS = (
    *("server",) * 4,
    *("server and workers",) * 2,
    *("workers, then server",) * 2,
    "server before its workers",
    "while it starts",
    _ORDERLY,
)


@dataclass
class Figures:
    """What the rounds took, in seconds, and what was killed."""

    port: list[float] = field(default_factory=list)
    open: list[float] = field(default_factory=list)
    ready: list[float] = field(default_factory=list)
    warm: list[float] = field(default_factory=list)
    workers_gone: list[float] = field(default_factory=list)
    stops: list[float] = field(default_factory=list)
    kills: dict[str, int] = field(default_factory=dict)
    compared: Compared | None = None
    requests: dict[str, int] = field(default_factory=dict)
    lost: int = 0
    faults: list[str] = field(default_factory=list)
    exit_code: int | None = None

    def count(self, what: str) -> None:
        """One more kill."""
        self.kills[what] = self.kills.get(what, 0) + 1


def told(seconds: list[float]) -> str:
    """Median, and the longest, in milliseconds."""
    if not seconds:
        return "none"
    ordered = sorted(seconds)
    late = ordered[min(len(ordered) - 1, int(len(ordered) * 0.95))]
    middle, last = median(ordered), ordered[-1]
    return f"median {middle * 1000:.0f}, p95 {late * 1000:.0f}, most {last * 1000:.0f} ms of {len(ordered)}"


def random_ways(rounds: int, seed: int) -> list[str]:
    """How each of so many rounds ends."""
    return random.Random(seed).choices(_WAYS, k=rounds)


async def kill_loop(
    folder: Path, ways: Sequence[str], seed: int, *, longest: float = 2.0, say: Callable[[str], None] = lambda _: None
) -> Figures:
    """Rounds of a start, a load and a kill; then everything may come to its end, and is compared.

    Args:
        folder: Where everything is put.
        ways: How each round ends.
        seed: Of what happens when.
        longest: Seconds from when a worker takes jobs to the kill, at most.
        say: Is told how it goes.
    """
    chance = random.Random(seed)
    figures, served, ledger = Figures(), Served(folder), Ledger()
    try:
        async with Asking(served.url) as asking:
            load = Load(asking, ledger, chance)
            tasks = [asyncio.create_task(load.client()) for _ in range(CLIENTS)]
            tasks += [asyncio.create_task(load.listener(served.url)) for _ in range(LISTENERS)]
            for number, way in enumerate(ways):
                await _round(served, asking, way, chance, figures, longest)
                figures.faults += sound_copy(served.database, folder / "copy") if served.database.exists() else []
                failed = [task.exception() for task in tasks if task.done()]
                assert not failed, failed
                if number % 10 == 9:
                    say(f"{number + 1} rounds, {len(ledger.promises)} jobs, broken: {ledger.broken[-3:]}")
            await _end(served, asking, load, tasks, figures)
    finally:
        served.end()
    figures.faults += served.faults()
    figures.requests, figures.lost = load.answered, load.lost
    figures.compared = compare(ledger, served.database, served.home / "output", served.book)
    return figures


async def _round(
    served: Served, asking: Asking, way: str, chance: random.Random, figures: Figures, longest: float
) -> None:
    served.start()
    if way == "while it starts":
        await asyncio.sleep(chance.uniform(0.05, 1.5))
        _kill_server(served, figures, way)
        return
    await _started(served, asking, figures)
    if way != "server before its workers":
        figures.ready.append(await served.answering(asking, "/readyz"))
        figures.warm.append(await served.working(asking))
    await asyncio.sleep(chance.uniform(0.0, longest))
    if way == _ORDERLY:
        await _stopped(served, figures)
        return
    if way == "workers, then server":
        for _ in range(chance.randint(1, 3)):
            _kill_worker(served, chance, figures)
            await asyncio.sleep(chance.uniform(0.0, 0.7))
    children = served.children()
    if way == "server and workers":
        for child in children:
            with suppress(psutil.Error):
                child.kill()
    _kill_server(served, figures, way)
    figures.workers_gone.append(await gone(children))


async def _started(served: Served, asking: Asking, figures: Figures) -> None:
    figures.port.append(await served.answering(asking))
    figures.open.append(await served.answering(asking, f"{API}/queue"))


async def _stopped(served: Served, figures: Figures) -> None:
    """An orderly stop in the middle of the load."""
    begun = time.perf_counter()
    code = await served.stop()
    figures.stops.append(time.perf_counter() - begun)
    figures.count(_ORDERLY)
    if code:
        figures.faults.append(f"an orderly stop ended with {code}")


def _kill_worker(served: Served, chance: random.Random, figures: Figures) -> None:
    children = served.children()
    if children:
        with suppress(psutil.Error):
            chance.choice(children).kill()
            figures.count("worker")


def _kill_server(served: Served, figures: Figures, way: str) -> None:
    served.kill()
    figures.count(way)


async def _end(served: Served, asking: Asking, load: Load, tasks: list["asyncio.Task[None]"], figures: Figures) -> None:
    """One more start, without a kill; the load ends, then the jobs, then the server."""
    load.done.set()
    served.start()
    await _started(served, asking, figures)
    figures.ready.append(await served.answering(asking, "/readyz"))
    await load.drained(_DRAIN_SECONDS)
    async with asyncio.timeout(_DRAIN_SECONDS):
        await asyncio.gather(*tasks)
    with suppress(Lost):
        await load.drained(_DRAIN_SECONDS)
    figures.exit_code = await served.stop()
