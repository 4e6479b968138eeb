"""Runs that alternate between checkpoints; `tests/stress/alternating.py` is the long form."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent / "stress"))

from alternating import turns


@pytest.mark.parametrize(("memory", "count", "read"), [("200 MiB", 2, 2), ("60 MiB", 2, 12)])
def test_each_checkpoint_is_read_once_where_there_is_room_for_both(
    memory: str, count: int, read: int, tmp_path: Path
) -> None:
    done = list(turns(tmp_path, 12, memory, count))
    assert done[-1].read == read
    assert done[-1].resident < done[3].resident * 1.1  # the long form holds it within 2 %
