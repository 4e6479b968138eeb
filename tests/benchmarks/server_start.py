"""How long ``nodeflow serve`` takes: to an open port, to the database, to a worker.

    python tests/benchmarks/server_start.py [STARTS [JOBS]]

Each start is a process of its own over the same home, whose queue holds so many jobs and is paused. Printed are seconds
by the clock: port (it answers), database (the first list of jobs), ready (/readyz), working (a worker takes jobs); and
the seconds of CPU time that the server itself had used up to its first list of jobs.
"""

import asyncio
import json
import sys
import tempfile
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from tests.serving.asking import Asking
from tests.serving.documents import plain
from tests.serving.load import API
from tests.serving.process import Served

_AT_ONCE = 64


async def main(starts: int = 9, jobs: int = 0) -> dict[str, float]:
    """Medians and the longest of several starts; the first one, which makes the home, does not count."""
    found: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory(prefix="nodeflow-start-") as name:
        served = Served(Path(name), workers="cpu", config=("[server]", "start_paused = true"))
        try:
            for number in range(starts + 1):
                figures = await _start(served, jobs if number == 0 else 0)
                for what, seconds in figures.items() if number else ():
                    found.setdefault(what, []).append(seconds)
        finally:
            served.end()
    return {f"{what}, {how.__name__}": how(seconds) for what, seconds in found.items() for how in (median, max)}


async def _start(served: Served, jobs: int) -> dict[str, float]:
    async with Asking(served.url, _AT_ONCE) as asking:
        served.start()
        port = await served.answering(asking)
        database = await served.answering(asking, f"{API}/jobs?limit=1")
        used = served.process.cpu_times()
        ready = await served.answering(asking, "/readyz")
        working = await served.working(asking)
        for first in range(0, jobs, _AT_ONCE):
            bodies = ({"document": plain(f"n{number}")} for number in range(first, min(jobs, first + _AT_ONCE)))
            await asyncio.gather(*(asking.post(f"{API}/jobs", body) for body in bodies))
        assert await served.stop() == 0
        return {
            "port": port,
            "database": database,
            "ready": ready,
            "working": working,
            "cpu to database": used.user + used.system,
        }


if __name__ == "__main__":
    print(json.dumps({what: round(value, 3) for what, value in asyncio.run(main(*map(int, sys.argv[1:]))).items()}))
