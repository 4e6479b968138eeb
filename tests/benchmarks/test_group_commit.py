"""The benchmark of the store still measures what it says; no time is asserted here."""

import asyncio
from pathlib import Path

from tests.benchmarks.group_commit import measure


def test_each_row_is_measured(tmp_path: Path) -> None:
    rows = asyncio.run(measure(tmp_path, queued=128, clients=8))
    assert len(rows) == 9
    assert all(times.rate > 0 and times.median <= times.p99 for times in rows.values())
