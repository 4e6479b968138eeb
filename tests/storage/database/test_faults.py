"""Short forms of what ``tests/stress/faults.py`` does in full: a disk that fails, power cuts, files cut off."""

import random
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.storage.database.faultsweep import History, power_cuts, sweep

MEMORY = Path("/dev/shm")


@pytest.fixture
def work() -> Iterator[Path]:
    """A folder where a sync costs nothing."""
    folder = Path(tempfile.mkdtemp(prefix="nodeflow-faults-", dir=MEMORY if MEMORY.is_dir() else None))
    yield folder
    shutil.rmtree(folder)


@pytest.mark.parametrize("full", [False, True], ids=["one error", "full disk"])
@pytest.mark.parametrize("lasting", [False, True], ids=["once", "for a while"])
def test_whatever_the_disk_refuses_what_was_acknowledged_is_kept_and_nothing_else(
    work: Path, full: bool, lasting: bool
) -> None:
    hit = {(done.kind, done.file) for done in sweep(work / "run", full=full, lasting=lasting, stride=11)}
    assert {("write", "server.db"), ("write", "server.db-wal")} <= hit


def test_making_the_database_may_fail_anywhere(work: Path) -> None:
    assert sum(1 for _ in sweep(work / "run", fresh=True, stride=23)) > 10


def test_a_power_cut_takes_nothing_that_was_acknowledged(work: Path) -> None:
    assert power_cuts(work, seed=7, cuts=60) > 500


@pytest.mark.parametrize("checkpoints", [False, True], ids=["all in the log", "most in the file"])
@pytest.mark.parametrize("name", ["server.db", "server.db-wal"])
def test_a_file_that_is_cut_off_holds_an_earlier_state_or_is_refused(work: Path, checkpoints: bool, name: str) -> None:
    history = History(work / "history", checkpoints=checkpoints)
    choose = random.Random(3)
    for number in range(25):
        data = history.files[name]
        cut = data[: choose.randrange(1, len(data))]
        found = history.opened(work / f"cut-{number}", {**history.files, name: cut})
        assert found is None or found in history.states


def test_a_whole_history_is_read_whole(work: Path) -> None:
    history = History(work / "history", checkpoints=True)
    assert history.opened(work / "whole", history.files) == history.states[-1]
