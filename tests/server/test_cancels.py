"""Cancels at random moments: the one that was meant ends, its neighbours do not notice. Long form: tests/stress."""

from pathlib import Path

from tests.stress.cancels import cancel_at_random


def test_random_cancels_touch_no_neighbour(tmp_path: Path) -> None:
    told = cancel_at_random(tmp_path, jobs=100, workers=3, seed=1)
    assert told.cancelled + told.succeeded == 100
    assert told.cancelled > 10
    assert told.succeeded > 10
