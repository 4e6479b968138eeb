"""Short forms of what ``tests/stress/faults.py`` does in full: a disk that fails, power cuts, files cut off."""

import asyncio
import random
import shutil
import tempfile
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import Connection

from nodeflow.storage.database import settings
from nodeflow.storage.database.failures import StorageFailed
from nodeflow.storage.database.store import Store
from tests.storage.database.faultsweep import History, power_cuts, sweep
from tests.storage.database.faultydisk import IOERR_WRITE, OK, Disk, Done

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


class Spill:
    """Refuses writes to the log from the first change that ``arm`` is called in: the next one, or all."""

    def __init__(self, lasting: bool) -> None:
        self.lasting = lasting
        self.armed = False
        self.met = False

    def arm(self) -> None:
        self.armed = self.armed or not self.met
        self.met = True

    def __call__(self, done: Done) -> int:
        if not self.armed or done.kind != "write" or done.file != "server.db-wal":
            return OK
        self.armed = self.lasting
        return IOERR_WRITE


def together(store: Store, spill: Spill) -> list[object]:
    """Three changes in one transaction, of which the second is too large for memory and reaches the disk early."""

    def put(c: Connection, number: int, text: str) -> None:
        spill.arm()
        settings.put(c, f"n{number}", text)

    async def write() -> list[object]:
        gate = threading.Event()
        first = asyncio.ensure_future(store.write(lambda c: gate.wait()))
        changes = [
            asyncio.ensure_future(store.write(partial(put, number=n, text=text)))
            for n, text in enumerate(["small", "x" * 500_000, "small"])
        ]
        await asyncio.sleep(0)
        gate.set()
        await first
        return await asyncio.gather(*changes, return_exceptions=True)

    store.write_now(lambda c: c.exec_driver_sql("PRAGMA cache_size = 10"))
    return asyncio.run(write())


def there(store: Store) -> list[bool]:
    return store.read_now(lambda c: [settings.get(c, f"n{n}") is not None for n in range(3)])


def test_when_one_change_breaks_the_transaction_of_all_each_is_tried_alone(path: Path) -> None:
    spill = Spill(lasting=False)
    with Disk(spill).installed():
        store = Store.open(path)
        assert together(store, spill) == [None, None, None]
        assert spill.met
        assert not spill.armed
        assert there(store) == [True, True, True]
        store.close()


def test_and_what_the_disk_refuses_for_good_is_told_as_such_to_each(path: Path) -> None:
    spill = Spill(lasting=True)
    with Disk(spill).installed():
        store = Store.open(path)
        told = together(store, spill)
        assert [type(one) for one in told] == [StorageFailed] * 3
        assert all("disk I/O error → free some space" in str(one) for one in told)
        spill.armed = False
        assert there(store) == [False, False, False]
        assert store.write_now(lambda c: settings.put(c, "n0", 1)) is None
        assert there(store) == [True, False, False]
        store.close()


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
