"""A scripted run of the store whose disk fails at the Nth change, for every N; and power cuts in the middle of one."""

import random
import shutil
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

from sqlalchemy import Connection

from nodeflow.core.errors import UsageError
from nodeflow.protocol.jobs import JobState
from nodeflow.storage.database import documents, events, jobs
from nodeflow.storage.database.failures import StorageFailed
from nodeflow.storage.database.records import NewJob
from nodeflow.storage.database.store import Store
from tests.storage.database.faultydisk import OK, Disk, Done, Faults

SECTOR = 512


@dataclass
class Ledger:
    """What was acknowledged: the events of each job, the versions of each document."""

    jobs: dict[str, tuple[str, ...]] = field(default_factory=dict)
    documents: dict[str, int] = field(default_factory=dict)
    refused: int = field(default=0, compare=False)

    def copy(self) -> "Ledger":
        return Ledger(dict(self.jobs), dict(self.documents))


def kept(store: Store) -> Ledger:
    """The same, as the store has it."""

    def look(c: Connection) -> Ledger:
        found = [job.id for job in jobs.page(c, client=None, limit=jobs.MOST).jobs]
        return Ledger(
            {id: tuple(event.kind for event in events.since(c, id, 0)) for id in found},
            {one.name: one.version for one in documents.page(c)},
        )

    return store.read_now(look)


def tells_the_way_out(error: Exception, what: str = "") -> None:
    """One line that says what is wrong, and what to do."""
    assert what in str(error)
    assert " → " in str(error)
    assert "\n" not in str(error)


class Story:
    """Submits, runs and finishes jobs, and saves a document; goes on when something is refused."""

    def __init__(
        self, store: Store, ledger: Ledger, told: Callable[[], None] = lambda: None, *, pages: int = 6
    ) -> None:
        self._store = store
        self._ledger = ledger
        self._told = told
        self._pages = pages

    def run(self, first: int, last: int) -> None:
        # The log is copied back all the time, so that this is among what fails.
        self._try(lambda c: c.exec_driver_sql(f"PRAGMA wal_autocheckpoint = {self._pages}"))
        for number in range(first, last):
            self._live(f"{number:026}", number)
            self._save(f"document-{number % 2}", number)

    def _live(self, id: str, number: int) -> None:
        new = NewJob(id=id, client="ann", document=bytes(3000), created=1.0, key=id)
        self._step(id, "queued", lambda c: jobs.add(c, new, limit=99))
        self._step(id, "attempt", lambda c: jobs.begin(c, id, "cpu-0", 2.0))
        if number % 2:
            self._step(id, "finished", lambda c: jobs.finish(c, id, 1, jobs.Ending(JobState.SUCCEEDED), 3.0))

    def _step(self, id: str, kind: str, change: Callable[[Connection], object]) -> None:
        if self._try(change):
            self._ledger.jobs[id] = (*self._ledger.jobs.get(id, ()), kind)
            self._told()

    def _save(self, name: str, number: int) -> None:
        body = f"{number}".encode() * 2000
        saved = self._try(
            lambda c: documents.save(c, name, body, sha256=str(number), client="ann", now=1.0, expected=None)
        )
        if saved:
            self._ledger.documents[name] = self._ledger.documents.get(name, 0) + 1
            self._told()

    def _try(self, change: Callable[[Connection], object]) -> bool:
        try:
            return self._store.write_now(change) is not None
        except StorageFailed as failed:
            tells_the_way_out(failed)
            self._ledger.refused += 1
            return False


def template(folder: Path) -> Ledger:
    """A database in which something has happened already."""
    ledger = Ledger()
    store = Store.open(folder / "server.db")
    Story(store, ledger).run(0, 2)
    store.close()
    return ledger


def sound(path: Path) -> None:
    """Nothing in the file contradicts itself."""
    connection = sqlite3.connect(path)
    try:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
    finally:
        connection.close()


def sweep(
    work: Path, *, full: bool = False, lasting: bool = False, stride: int = 1, fresh: bool = False
) -> Iterator[Done]:
    """Fails the first, then the second… change of the disk in a run; gives what was hit each time."""
    start = work / "template"
    start.mkdir(parents=True)
    before = Ledger() if fresh else template(start)
    for nth in count(1, stride):
        folder = work / str(nth)
        shutil.copytree(start, folder)
        faults = Faults(nth, full=full, lasting=lasting)
        with Disk(faults).installed():
            _fail_and_recover(folder, faults, before.copy())
        shutil.rmtree(folder)
        if faults.hit is None:
            return
        yield faults.hit


def _fail_and_recover(folder: Path, faults: Faults, ledger: Ledger) -> None:
    path = folder / "server.db"
    try:
        store = Store.open(path)
    except UsageError as refused:
        tells_the_way_out(refused)
        faults.over = True
        store = Store.open(path)
        assert kept(store) == ledger
    else:
        Story(store, ledger).run(2, 5)
    faults.over = True
    killed = folder / "killed"
    killed.mkdir()
    for suffix in ("", "-wal"):
        if (folder / f"server.db{suffix}").exists():
            shutil.copy(folder / f"server.db{suffix}", killed / f"server.db{suffix}")
    _includes(killed / "server.db", ledger)
    ledger.refused = 0
    # Once the disk works again, so does the store, without being opened anew.
    Story(store, ledger).run(5, 6)
    assert ledger.refused == 0
    assert kept(store) == ledger
    store.close()
    sound(path)
    store = Store.open(path)
    assert kept(store) == ledger
    store.close()


def _includes(path: Path, ledger: Ledger) -> None:
    """All that was acknowledged is in a killed server's file; what was refused last may be, as a whole."""
    store = Store.open(path)
    found = kept(store)
    store.close()
    sound(path)
    for id, told in ledger.jobs.items():
        assert found.jobs[id][: len(told)] == told
    for name, version in ledger.documents.items():
        assert found.documents[name] >= version


class PowerCut:
    """Remembers everything that reached the disk, and what was acknowledged in between."""

    def __init__(self) -> None:
        self.log: list[Done | Ledger] = []

    def __call__(self, done: Done) -> int:
        self.log.append(done)
        return OK

    def after(self, moment: int, choose: random.Random) -> tuple[dict[str, bytes], Ledger]:
        """Files as a cut at a moment may leave them: what was synced is there, of the rest any sectors."""
        files: dict[str, bytearray] = {}
        loose: list[Done] = []
        acknowledged = Ledger()
        for done in self.log[:moment]:
            if isinstance(done, Ledger):
                acknowledged = done
            elif done.kind == "sync" or (done.kind == "delete" and done.offset):
                _apply(files, [one for one in [*loose, done] if one.file == done.file])
                loose = [one for one in loose if one.file != done.file]
            elif done.kind != "open":
                loose.append(done)
        _apply(files, _survivors(loose, choose))
        return {name: bytes(data) for name, data in files.items()}, acknowledged


def _survivors(loose: Sequence[Done], choose: random.Random) -> Iterator[Done]:
    for done in loose:
        if done.kind != "write":
            if choose.random() < 0.5:
                yield done
            continue
        for start in range(0, len(done.data), SECTOR):
            if choose.random() < 0.7:
                yield Done("write", done.file, done.offset + start, done.data[start : start + SECTOR])


def _apply(files: dict[str, bytearray], changes: Iterator[Done] | Sequence[Done]) -> None:
    for done in changes:
        if done.kind == "sync":
            continue
        if done.kind == "delete":
            files.pop(done.file, None)
            continue
        data = files.setdefault(done.file, bytearray())
        if done.kind == "truncate":
            del data[done.offset :]
            continue
        data.extend(bytes(max(0, done.offset + len(done.data) - len(data))))
        data[done.offset : done.offset + len(done.data)] = done.data


def power_cuts(work: Path, seed: int, cuts: int) -> int:
    """Cuts the power at so many moments of a run; gives the number of moments there were."""
    choose = random.Random(seed)
    recorded = PowerCut()
    ledger = Ledger()
    (work / "run").mkdir(parents=True)
    with Disk(recorded).installed():
        store = Store.open(work / "run" / "server.db")
        Story(store, ledger, lambda: recorded.log.append(ledger.copy())).run(0, 8)
        store.close()
    for number in range(cuts):
        moment = choose.randrange(len(recorded.log) + 1)
        files, acknowledged = recorded.after(moment, choose)
        folder = work / f"cut-{number}"
        folder.mkdir()
        for name, data in files.items():
            (folder / name).write_bytes(data)
        _includes(folder / "server.db", acknowledged)
        shutil.rmtree(folder)
    return len(recorded.log)


class History:
    """A run whose every state is known, and the files of a server that was killed at its end.

    Args:
        folder: Where it is made.
        checkpoints: Whether the log is copied back into the database in between.
    """

    def __init__(self, folder: Path, *, checkpoints: bool) -> None:
        self.states = [Ledger()]
        folder.mkdir(parents=True)
        ledger = Ledger()
        store = Store.open(folder / "server.db")
        story = Story(store, ledger, lambda: self.states.append(ledger.copy()), pages=6 if checkpoints else 0)
        story.run(0, 8)
        self.files = {name: (folder / name).read_bytes() for name in ("server.db", "server.db-wal")}
        store.close()

    def opened(self, folder: Path, files: dict[str, bytes]) -> Ledger | None:
        """What a store makes of these files; None when it refuses them with a way out."""
        folder.mkdir()
        for name, data in files.items():
            (folder / name).write_bytes(data)
        try:
            store = Store.open(folder / "server.db")
        except UsageError as refused:
            tells_the_way_out(refused, "the database is damaged")
            return None
        try:
            return kept(store)
        finally:
            store.close()
            shutil.rmtree(folder)
