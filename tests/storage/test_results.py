"""The disk tier: whole files or none, verified at every read, bounded, shared by processes."""

import os
import random
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from nodeflow.core.stored import Stored
from nodeflow.core.types import Encoded
from nodeflow.storage.resultfile import (
    DamagedFile,
    pack_records,
    pack_result,
    seal,
    unpack_records,
    unpack_result,
    unseal,
)
from nodeflow.storage.results import DiskResults

KEY = bytes(range(32))
OTHER = bytes(range(1, 33))
RESULT = Stored("Blur", 1.5, 2.5, Encoded({"plain": [1, None, "ü"]}, [b"first", memoryview(b"second blob")]))
BUDGET = 1 << 20


def plain(stored: Stored | None) -> object:
    if stored is None:
        return None
    blobs = [bytes(blob) for blob in stored.content.blobs]
    return stored.type, stored.seconds, stored.total, stored.content.header, blobs


def sized(nbytes: int) -> Stored:
    return Stored("Big", 1.0, 1.0, Encoded(None, [bytes(nbytes)]))


def key_of(number: int) -> bytes:
    return number.to_bytes(32, "big")


def result_files(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.result"))


def test_a_result_comes_back_as_it_was_written_also_in_another_process(tmp_path: Path) -> None:
    assert DiskResults(tmp_path / "new" / "results", BUDGET).write(KEY, RESULT)
    again = DiskResults(tmp_path / "new" / "results", BUDGET)
    assert set(again.known()) == {KEY}
    assert plain(again.read(KEY)) == plain(RESULT)
    assert again.read(OTHER) is None


def test_an_absent_folder_knows_nothing(tmp_path: Path) -> None:
    assert not DiskResults(tmp_path / "none", BUDGET).known()
    assert not DiskResults(tmp_path / "none", BUDGET).recorded()


def test_a_new_file_is_noticed_although_the_folder_was_listed_before(tmp_path: Path) -> None:
    one, two = DiskResults(tmp_path, BUDGET), DiskResults(tmp_path, BUDGET)
    assert not one.known()
    two.write(KEY, RESULT)
    assert set(one.known()) == {KEY}
    old = time.time() - 100
    os.utime(tmp_path, (old, old))
    listed = one.known()
    assert one.known() is listed


def test_foreign_files_in_the_folder_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / "not-hex.result").write_bytes(b"")
    assert not DiskResults(tmp_path, BUDGET).known()


def damaged_versions(whole: bytes) -> Iterator[bytes]:
    for bit in range(len(whole) * 8):
        flipped = bytearray(whole)
        flipped[bit // 8] ^= 1 << bit % 8
        yield bytes(flipped)
    for length in range(len(whole)):
        yield whole[:length]
    yield whole + b"x"


def test_every_flipped_bit_every_truncation_and_every_appendix_is_noticed() -> None:
    whole = b"".join(pack_result(KEY, RESULT))
    assert plain(unpack_result(KEY, whole)) == plain(RESULT)
    for damaged in damaged_versions(whole):
        with pytest.raises(DamagedFile):
            unpack_result(KEY, damaged)


def test_a_damaged_file_counts_as_missing_and_is_deleted(tmp_path: Path) -> None:
    results = DiskResults(tmp_path, BUDGET)
    results.write(KEY, RESULT)
    (path,) = result_files(tmp_path)
    whole = path.read_bytes()
    for damaged in (whole[:-1], whole[:40], b"", whole + b"x"):
        path.write_bytes(damaged)
        assert results.read(KEY) is None
        assert not path.exists()


def test_the_file_of_another_key_is_not_taken(tmp_path: Path) -> None:
    results = DiskResults(tmp_path, BUDGET)
    results.write(KEY, RESULT)
    results._path(KEY).rename(results._path(OTHER))
    assert results.read(OTHER) is None
    assert not result_files(tmp_path)


def test_a_well_sealed_file_with_a_foreign_header_is_refused(tmp_path: Path) -> None:
    results = DiskResults(tmp_path, BUDGET)
    for header in (b"[]", b"{", b'{"key": 1}'):
        sized_header = len(header).to_bytes(8, "big") + header
        results._path(KEY).write_bytes(b"".join(seal([sized_header])))
        assert results.read(KEY) is None


def test_forgetting_deletes(tmp_path: Path) -> None:
    results = DiskResults(tmp_path, BUDGET)
    results.write(KEY, RESULT)
    results.forget(KEY)
    results.forget(KEY)
    assert not result_files(tmp_path)


def test_the_folder_stays_below_its_budget_and_keeps_what_was_used_last(tmp_path: Path) -> None:
    results = DiskResults(tmp_path, 10_000)
    for number in range(8):
        assert results.write(key_of(number), sized(1000))
        os.utime(results._path(key_of(number)), (number, number))
    assert results.read(key_of(0)) is not None
    for number in range(8, 12):
        assert results.write(key_of(number), sized(1000))
    assert sum(path.stat().st_size for path in result_files(tmp_path)) <= 10_000
    assert key_of(0) in results.known()
    assert key_of(1) not in results.known()
    assert key_of(11) in results.known()


def test_a_result_larger_than_the_budget_is_not_written(tmp_path: Path) -> None:
    assert not DiskResults(tmp_path, 500).write(KEY, sized(1000))


def test_what_others_write_counts_too(tmp_path: Path) -> None:
    mine, theirs = DiskResults(tmp_path, 100_000), DiskResults(tmp_path, 1 << 30)
    mine.write(key_of(1000), sized(10))
    for number in range(90):
        theirs.write(key_of(number), sized(1500))
    for number in range(2000, 2100):
        mine.write(key_of(number), sized(10))
    assert sum(path.stat().st_size for path in result_files(tmp_path)) <= 100_000


def test_what_a_killed_process_left_is_deleted_once_it_is_old(tmp_path: Path) -> None:
    for name, age in (("old.result-1-1.part", 7200), ("new.result-1-1.part", 0)):
        (tmp_path / name).write_bytes(b"half")
        os.utime(tmp_path / name, (time.time() - age,) * 2)
    DiskResults(tmp_path, BUDGET).write(KEY, RESULT)
    assert [path.name for path in tmp_path.glob("*.part")] == ["new.result-1-1.part"]


def test_a_folder_that_cannot_be_made_is_one_warning(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    results = DiskResults(tmp_path / "file" / "results", BUDGET)
    assert not results.write(KEY, RESULT)
    assert not results.write(OTHER, RESULT)
    results.record({"a": b"1"})
    (warning,) = results.warnings()
    assert "not kept on disk" in warning
    assert not results.warnings()
    assert results.read(KEY) is None
    assert not results.known()
    unlock = results.lock(KEY)
    assert unlock is not None
    unlock()
    results.close()


@contextmanager
def largest_file(nbytes: int) -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (nbytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


def test_a_full_disk_is_one_warning_and_leaves_no_half_file(tmp_path: Path) -> None:
    results = DiskResults(tmp_path, BUDGET)
    with largest_file(1000):
        assert not results.write(KEY, sized(5000))
        assert not results.write(OTHER, sized(5000))
    assert len(results.warnings()) == 1
    assert not [path for path in tmp_path.iterdir() if path.is_file() and path.suffix != ""]


def test_records_of_the_latest_runs_are_kept_latest_first(tmp_path: Path) -> None:
    results = DiskResults(tmp_path, BUDGET)
    for number in range(20):
        results.record({"node": str(number).encode(), "other": b"\n\x00"})
    found = results.recorded()
    assert len(found) == 16
    assert found[0] == {"node": b"19", "other": b"\n\x00"}
    assert found[-1]["node"] == b"4"


def test_a_damaged_record_is_passed_over(tmp_path: Path) -> None:
    results = DiskResults(tmp_path, BUDGET)
    results.record({"node": b"1"})
    results.record({"node": b"2"})
    last = max((tmp_path / "records").iterdir())
    last.write_bytes(last.read_bytes()[:-1])
    assert results.recorded() == [{"node": b"1"}]


def test_records_that_cannot_be_written_are_one_warning(tmp_path: Path) -> None:
    (tmp_path / "records").write_text("a file, not a folder")
    results = DiskResults(tmp_path, BUDGET)
    results.record({"node": b"1"})
    assert len(results.warnings()) == 1


def test_sealed_bytes_are_refused_when_anything_changed() -> None:
    data = b"".join(pack_records([("a", b"1"), ("b", b"")]))
    assert unpack_records(data) == {"a": b"1", "b": b""}
    for damaged in (b"", data[:-1], data + b"x", b"x" + data):
        with pytest.raises(DamagedFile):
            unseal(damaged)


WRITER = """
import sys
from pathlib import Path
from nodeflow.core.stored import Stored
from nodeflow.core.types import Encoded
from nodeflow.storage.results import DiskResults

results = DiskResults(Path(sys.argv[1]), 1 << 30)
print("ready", flush=True)
number = 0
while True:
    value = bytes([number % 251]) * 200_000
    results.write(number.to_bytes(32, "big"), Stored("T", 1.0, 1.0, Encoded({"n": number}, [value])))
    number = (number + 1) % 40
"""


def python(*arguments: str, **options: object) -> "subprocess.Popen[str]":
    return subprocess.Popen(  # type: ignore[call-overload,no-any-return]
        [sys.executable, "-c", *arguments], stdout=subprocess.PIPE, text=True, **options
    )


def test_a_kill_during_a_write_leaves_whole_files_only(tmp_path: Path) -> None:
    dice = random.Random(7)
    for _ in range(8):
        with python(WRITER, str(tmp_path)) as writer:
            assert writer.stdout is not None
            writer.stdout.readline()
            time.sleep(dice.random() * 0.05)
            writer.kill()
        results = DiskResults(tmp_path, 1 << 30)
        for key in results.known():
            stored = results.read(key)
            assert stored is not None
            number = int.from_bytes(key, "big")
            assert plain(stored) == ("T", 1.0, 1.0, {"n": number}, [bytes([number % 251]) * 200_000])
    assert results.known()


READER = """
import sys
from pathlib import Path
from nodeflow.storage.results import DiskResults

results = DiskResults(Path(sys.argv[1]), 1 << 30)
torn = whole = 0
while whole < 200:
    for key in results.known():
        stored = results.read(key)
        number = int.from_bytes(key, "big")
        if stored is None or stored.content.header != {"n": number}:
            torn += 1
        whole += 1
print(torn)
"""


def test_readers_never_see_half_of_what_writers_write_at_the_same_time(tmp_path: Path) -> None:
    with python(WRITER, str(tmp_path)) as one, python(WRITER, str(tmp_path)) as two:
        with python(READER, str(tmp_path)) as reader:
            assert reader.stdout is not None
            assert reader.stdout.read().strip() == "0"
        one.kill()
        two.kill()


HOLDER = """
import sys
from pathlib import Path
from nodeflow.storage.results import DiskResults

results = DiskResults(Path(sys.argv[1]), 1 << 30)
unlock = results.lock(bytes(range(32)))
print(unlock is not None, flush=True)
sys.stdin.readline()
unlock()
print("given back", flush=True)
sys.stdin.readline()
results.lock(bytes(range(32)))
print("taken again", flush=True)
sys.stdin.readline()
"""


def test_one_process_at_a_time_may_compute_a_key_and_a_kill_frees_it(tmp_path: Path) -> None:
    results = DiskResults(tmp_path, BUDGET)
    with python(HOLDER, str(tmp_path), stdin=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdin is not None
        assert holder.stdout.readline().strip() == "True"
        assert results.lock(KEY) is None
        free = results.lock(OTHER)
        assert free is not None
        free()
        holder.stdin.write("\n")
        holder.stdin.flush()
        assert holder.stdout.readline().strip() == "given back"
        unlock = results.lock(KEY)
        assert unlock is not None
        unlock()
        holder.stdin.write("\n")
        holder.stdin.flush()
        assert holder.stdout.readline().strip() == "taken again"
        assert results.lock(KEY) is None
        holder.kill()
    assert results.lock(KEY) is not None
    results.close()
