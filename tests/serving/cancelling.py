"""Jobs of which some are cancelled, at random moments; the others must not notice."""

import asyncio
import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.serving.asking import Asking
from tests.serving.documents import written
from tests.serving.ledger import Compared, Ledger, Promise, compare
from tests.serving.load import API
from tests.serving.process import Served

_AT_ONCE = 8
"""Jobs that are followed at the same time, each by one task."""
_LONGEST = 12
"""Steps of a job, at most, a hundredth of a second each."""
_CODES = {"job.final"}


@dataclass
class Cancelled:
    """What came of it.

    Attributes:
        answers: How cancellations were answered.
        wrong: What was seen to be wrong while it ran.
        seconds: From the answer to a cancellation to the end of a job that ran, each.
    """

    answers: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    compared: Compared | None = None
    restarts: int = 0


async def cancel_many(folder: Path, cancels: int, seed: int) -> Cancelled:
    """So many cancellations: of jobs that wait, begin, run, end and have ended, some of them twice at the same time.

    As many jobs again are left alone.
    """
    chance, found = random.Random(seed), Cancelled()
    served, ledger = Served(folder), Ledger()
    victims = [number < cancels for number in range(2 * cancels)]
    chance.shuffle(victims)
    numbered = iter(enumerate(victims))
    try:
        served.start()
        async with Asking(served.url) as asking:
            await served.answering(asking, "/readyz")
            await served.working(asking)
            turns = (_take_turns(asking, ledger, found, numbered, random.Random(seed + n)) for n in range(_AT_ONCE))
            await asyncio.gather(*turns)
            workers = (await asking.get(f"{API}/queue")).body["workers"]
            found.restarts = sum(worker["restarts"] for worker in workers)
        assert await served.stop() == 0
    finally:
        served.end()
    found.wrong += served.faults()
    found.compared = compare(ledger, served.database, served.home / "output", served.book)
    return found


async def _take_turns(
    asking: Asking, ledger: Ledger, found: Cancelled, numbered: Iterator[tuple[int, bool]], chance: random.Random
) -> None:
    for number, victim in numbered:
        steps = chance.randint(0, _LONGEST)
        body = {"document": written(f"n{number}", steps), "key": f"key-{number}"}
        reply = await asking.post(f"{API}/jobs", body)
        id = reply.body["id"]
        ledger.taken(Promise(id, f"n{number}", f"key-{number}"))
        if victim:
            await _cancel(asking, ledger, found, id, chance)
        info = (await asking.get(f"{API}/jobs/{id}?wait=60")).body
        ledger.seen(id, info["state"])
        if not victim and info["state"] != "succeeded":
            found.wrong.append(f"{id} was left alone, and is {info['state']}: {info['error']}")


async def _cancel(asking: Asking, ledger: Ledger, found: Cancelled, id: str, chance: random.Random) -> None:
    """Waits for a moment, or for its turn and a moment, and cancels, sometimes twice at once."""
    if chance.random() < 0.6:
        await _begun(asking, id)
    await asyncio.sleep(chance.choice((0.0, chance.uniform(0, 0.01), chance.uniform(0, 0.15))))
    loop = asyncio.get_running_loop()
    times = 2 if chance.random() < 0.2 else 1
    replies = await asyncio.gather(*(asking.post(f"{API}/jobs/{id}/cancel") for _ in range(times)))
    answered = loop.time()
    for reply in replies:
        found.answers[reply.body["state"] if reply.status == 200 else reply.code] += 1
        if reply.status != 200 and reply.code not in _CODES:
            found.wrong.append(f"{id}: the cancellation was answered with {reply.status} {reply.body}")
    if any(reply.status == 200 and reply.body["state"] == "running" for reply in replies):
        info = (await asking.get(f"{API}/jobs/{id}?wait=60")).body
        ledger.seen(id, info["state"])
        found.seconds.append(loop.time() - answered)


async def _begun(asking: Asking, id: str) -> None:
    while (await asking.get(f"{API}/jobs/{id}")).body["state"] == "queued":
        await asyncio.sleep(0.005)
