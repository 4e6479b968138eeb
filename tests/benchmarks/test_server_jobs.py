"""The benchmark of tiny jobs runs what it says."""

import asyncio
from pathlib import Path

from tests.benchmarks.server_jobs import measure
from tests.server.working import STAND_IN


def test_jobs_are_counted(tmp_path: Path) -> None:
    times = asyncio.run(measure(tmp_path, STAND_IN, 2, 8))
    assert times.rate > 0
    assert "a second" in str(times)
