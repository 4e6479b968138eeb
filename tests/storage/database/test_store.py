"""The store: what was answered is on the disk, one bad change spoils no other, a bad file is told with its way out."""

import asyncio
import os
import shutil
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError, ResourceClosedError

from nodeflow.core.errors import UsageError
from nodeflow.storage.database import jobs, settings
from nodeflow.storage.database.failures import StorageFailed
from nodeflow.storage.database.opening import open_database
from nodeflow.storage.database.store import Store
from tests.storage.database.faultydisk import OK, Disk


def put(name: str, value: object = 1):
    return lambda c: settings.put(c, name, value)


def get(name: str):
    return lambda c: settings.get(c, name)


def test_what_was_written_is_read_and_is_there_the_next_time(path: Path) -> None:
    store = Store.open(path)
    store.write_now(put("a", {"b": 1.0}))
    assert store.read_now(get("a")) == {"b": 1.0}
    store.close()
    store.close()
    again = Store.open(path)
    assert again.read_now(get("a")) == {"b": 1.0}
    again.close()


def test_changes_that_wait_are_committed_together_and_a_bad_one_leaves_no_trace(store: Store) -> None:
    def bad(c: Connection) -> None:
        settings.put(c, "bad", 1)
        raise KeyError("mine")

    async def all_at_once() -> list[object]:
        gate = threading.Event()
        before = store.write(lambda c: gate.wait())  # so that the others wait together
        waiting = [asyncio.ensure_future(task) for task in (before, *(store.write(put(f"n{n}")) for n in range(50)))]
        waiting.insert(20, asyncio.ensure_future(store.write(bad)))
        await asyncio.sleep(0)
        gate.set()
        return await asyncio.gather(*waiting, return_exceptions=True)

    results = asyncio.run(all_at_once())
    assert [repr(result) for result in results if isinstance(result, Exception)] == ["KeyError('mine')"]
    assert [store.read_now(get(f"n{n}")) for n in range(50)] == [1] * 50
    assert store.read_now(get("bad")) is None


def test_an_answer_comes_after_the_commit(store: Store, path: Path) -> None:
    async def write() -> object:
        await store.write(put("a"))
        copy = path.with_name("copy.db")
        for suffix in ("", "-wal"):
            shutil.copy(f"{path}{suffix}", f"{copy}{suffix}")
        found = sqlite3.connect(copy)
        try:
            return found.execute("SELECT value FROM settings").fetchall()
        finally:
            found.close()

    assert asyncio.run(write()) == [("1",)]


def test_a_question_sees_one_state_and_changes_nothing(store: Store) -> None:
    def look_twice(c: Connection) -> tuple[object, object]:
        first = settings.get(c, "a")
        store.write_now(put("a", 2))
        return first, settings.get(c, "a")

    store.write_now(put("a", 1))
    assert store.read_now(look_twice) == (1, 1)
    assert store.read_now(get("a")) == 2
    with pytest.raises(StorageFailed, match="readonly"):
        store.read_now(put("a", 3))


def test_whoever_stops_waiting_disturbs_nobody(store: Store) -> None:
    async def give_up() -> object:
        gate = threading.Event()
        blocked = asyncio.ensure_future(store.write(lambda c: gate.wait()))
        abandoned = asyncio.ensure_future(store.write(put("a")))
        await asyncio.sleep(0)
        abandoned.cancel()
        gate.set()
        await blocked
        await store.write(put("b"))
        return await store.read(get("a"))

    assert asyncio.run(give_up()) == 1


def test_a_loop_that_ended_meanwhile_is_no_trouble(store: Store) -> None:
    gate = threading.Event()

    async def leave() -> None:
        task = asyncio.ensure_future(store.write(lambda c: gate.wait()))
        await asyncio.sleep(0)
        task.cancel()

    asyncio.run(leave())
    gate.set()
    store.write_now(put("a"))
    assert store.read_now(get("a")) == 1


def test_what_waits_is_still_done_when_the_store_is_closed(path: Path) -> None:
    async def close_meanwhile() -> list[object]:
        store, gate = Store.open(path), threading.Event()
        waiting = [asyncio.ensure_future(task) for task in (store.write(lambda c: gate.wait()), store.write(put("a")))]
        await asyncio.sleep(0)
        closing = asyncio.ensure_future(store.aclose())
        while not store._closed:
            await asyncio.sleep(0.001)
        gate.set()
        await closing
        return await asyncio.gather(*waiting)

    assert asyncio.run(close_meanwhile()) == [True, None]
    store = Store.open(path)
    assert store.read_now(get("a")) == 1
    store.close()


def test_what_a_question_raises_is_its_answer(store: Store) -> None:
    with pytest.raises(ZeroDivisionError):
        store.read_now(lambda c: 1 / 0)
    assert store.read_now(get("a")) is None


def test_nobody_waits_for_ever_whatever_goes_wrong(store: Store) -> None:
    store._opened.writer.close()
    store._opened.reader.close()
    for _ in range(2):
        with pytest.raises(ResourceClosedError):
            store.write_now(put("a"))
        with pytest.raises(ResourceClosedError):
            store.read_now(get("a"))


def test_a_closed_store_refuses(path: Path) -> None:
    store = Store.open(path)
    asyncio.run(store.aclose())
    with pytest.raises(StorageFailed, match="stopping"):
        store.write_now(put("a"))
    with pytest.raises(StorageFailed, match="stopping"):
        asyncio.run(store.read(get("a")))


def test_a_change_that_the_database_refuses_is_told_as_it_is(store: Store, a_job) -> None:
    new = a_job()
    store.write_now(lambda c: jobs.add(c, new, limit=9))
    with pytest.raises(IntegrityError, match="UNIQUE"):
        store.write_now(lambda c: jobs.add(c, new, limit=9))
    assert store.read_now(jobs.queued_count) == 1


FULL_DISK = """
import resource, signal, sys
from pathlib import Path
from nodeflow.storage.database import settings
from nodeflow.storage.database.failures import StorageFailed
from nodeflow.storage.database.store import Store
from tests.storage.database.faultydisk import OK, Disk

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
store = Store.open(Path(sys.argv[1]))
_, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, hard))
kept = 0
try:
    while kept < 99:
        store.write_now(lambda c: settings.put(c, f"n{kept}", "x" * 20_000))
        kept += 1
except StorageFailed as error:
    print(error)
resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
store.write_now(lambda c: settings.put(c, "after", 1))
assert 0 < kept < 99
there = store.read_now(lambda c: [settings.get(c, f"n{n}") is not None for n in range(kept + 1)])
assert there == [True] * kept + [False]
store.close()
"""


def test_a_full_disk_is_told_and_when_there_is_room_again_all_goes_on(path: Path) -> None:
    ran = subprocess.run([sys.executable, "-c", FULL_DISK, path], capture_output=True, text=True)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout.startswith(f"{path}: ")
    assert "free some space" in ran.stdout
    assert ran.stdout.count("\n") == 1


RACE = """
import sys
from pathlib import Path
from nodeflow.core.errors import UsageError
from nodeflow.storage.database.store import Store

print("ready", flush=True)
sys.stdin.readline()
try:
    store = Store.open(Path(sys.argv[1]))
except UsageError as error:
    print(error, flush=True)
else:
    print("open", flush=True)
    sys.stdin.readline()
    store.close()
"""


def test_of_two_servers_that_start_together_one_is_refused_with_the_others_process(path: Path) -> None:
    racers = [
        subprocess.Popen([sys.executable, "-c", RACE, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    for racer in racers:
        assert racer.stdout.readline() == "ready\n"
    for racer in racers:
        racer.stdin.write("go\n")
        racer.stdin.flush()
    told = {racer.stdout.readline(): racer.pid for racer in racers}
    for racer in racers:
        racer.communicate()
    first = told.pop("open\n")
    (refusal,) = told
    assert f"in use by another nodeflow server (process {first})" in refusal
    assert "NODEFLOW_HOME" in refusal


def test_the_connections_are_set_as_a_sound_file_needs_it(path: Path) -> None:
    opened = open_database(path)

    def pragma(connection: Connection, name: str) -> object:
        return connection.exec_driver_sql(f"PRAGMA {name}").scalar()

    with opened.closing:
        writer, reader = opened.writer, opened.reader
        assert pragma(writer, "journal_mode") == "wal"
        assert pragma(writer, "synchronous") == 3
        assert pragma(writer, "foreign_keys") == 1
        assert pragma(reader, "query_only") == 1
        assert pragma(reader, "wal_autocheckpoint") == 0
        assert pragma(writer, "mmap_size") == pragma(reader, "mmap_size") == 0


def spoil(path: Path, at: int, data: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(at)
        file.write(data)


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.write_bytes(b"this is a text, and no database at all" * 100),
        lambda path: spoil(path, 0, b"\0" * 100),
        lambda path: spoil(path, 4096, b"\xff" * 4096),
        lambda path: os.truncate(path, path.stat().st_size - 4096),
        lambda path: os.truncate(path, 5000),
    ],
)
def test_a_damaged_file_is_refused_with_the_ways_out(path: Path, damage, a_job) -> None:
    store = Store.open(path)
    store.write_now(lambda c: jobs.add_many(c, [a_job() for _ in range(50)], limit=99))
    store.close()
    damage(path)
    with pytest.raises(UsageError) as refused:
        Store.open(path)
    message = str(refused.value)
    assert message.startswith(f"{path}: the database is damaged (")
    for way_out in ("backup", ".recover", f"mv {path} {path}.damaged"):
        assert way_out in message
    assert "\n" not in message


def test_damage_that_is_met_later_is_told_to_whoever_met_it(path: Path, a_job, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nodeflow.storage.database.opening._CHECKED_BYTES", 0)  # as if the file were large
    new = [a_job(document=bytes(100_000)) for _ in range(5)]
    store = Store.open(path)
    store.write_now(lambda c: jobs.add_many(c, new, limit=99))
    store.close()
    spoil(path, path.stat().st_size - 300_000, b"\xff" * 300_000)
    store = Store.open(path)
    with pytest.raises(StorageFailed, match="is damaged"):
        store.read_now(lambda c: [jobs.page(c, client=None), *[jobs.work(c, job.id) for job in new]])
    store.close()


def test_another_programs_database_is_left_alone(path: Path) -> None:
    other = sqlite3.connect(path)
    other.execute("CREATE TABLE songs (name)")
    other.close()
    with pytest.raises(UsageError, match="is no database of nodeflow"):
        Store.open(path)


def test_a_folder_that_cannot_be_written_to_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match=r"server\.db: Not a directory → let this user write"):
        Store.open(tmp_path / "file" / "deeper" / "server.db")


def test_a_file_system_without_shared_memory_is_refused(path: Path) -> None:
    with Disk(lambda done: OK, shared=False).installed(), pytest.raises(UsageError, match="on a disk of this machine"):
        Store.open(path)


def test_nobody_else_may_read_what_clients_asked_for(store: Store, path: Path) -> None:
    store.write_now(put("a"))
    assert {file.stat().st_mode & 0o777 for file in (path, Path(f"{path}-wal"))} == {0o600}


def test_the_lock_is_given_back_when_opening_fails(path: Path) -> None:
    path.write_bytes(b"x" * 10_000)
    for _ in range(2):
        with pytest.raises(UsageError, match="damaged"):
            Store.open(path)
    path.unlink()
    Store.open(path).close()
