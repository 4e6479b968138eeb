"""Counters and last files: kept as a whole, shared by processes, never given twice."""

import json
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from nodeflow.core.errors import UsageError
from nodeflow.storage.draws import DrawState, DrawStates
from nodeflow.storage.filelock import exclusive
from nodeflow.storage.replacing import replace_file


def advance(states: DrawStates) -> int:
    with states.turn() as state:
        counters = state().counters
        counters["n"] = counters.get("n", 0) + 1
        return counters["n"]


def test_what_a_turn_changes_is_there_for_the_next(tmp_path: Path) -> None:
    states = DrawStates(tmp_path / "draws")

    assert states.read() == DrawState()
    assert [advance(states), advance(states)] == [1, 2]
    assert states.read() == DrawState({"n": 2})
    assert json.loads((tmp_path / "draws" / "state.json").read_text()) == {"counters": {"n": 2}, "files": {}}


def test_a_turn_that_fails_or_draws_nothing_changes_nothing(tmp_path: Path) -> None:
    states = DrawStates(tmp_path / "draws")

    with pytest.raises(ZeroDivisionError), states.turn() as state:
        state().counters["n"] = 1 // 0
    with states.turn():
        pass

    assert states.read() == DrawState()
    assert not (tmp_path / "draws" / "state.json").exists()
    assert advance(states) == 1


def test_threads_wait_for_each_other(tmp_path: Path) -> None:
    states = DrawStates(tmp_path / "draws")

    with ThreadPoolExecutor(8) as pool:
        given = list(pool.map(lambda _: advance(states), range(24)))

    assert sorted(given) == list(range(1, 25))


COUNT = """
import sys
from pathlib import Path
from nodeflow.storage.draws import DrawStates

for _ in range(5):
    with DrawStates(Path(sys.argv[1])).turn() as state:
        counters = state().counters
        counters["n"] = counters.get("n", 0) + 1
    print(counters["n"])
"""


def test_twenty_processes_never_get_the_same_number(tmp_path: Path) -> None:
    command = [sys.executable, "-c", COUNT, str(tmp_path / "draws")]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(20)]

    given = [int(line) for process in running for line in process.communicate()[0].split()]

    assert sorted(given) == list(range(1, 101))


def test_a_place_that_cannot_be_written_is_named_with_the_way_out(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    states = DrawStates(tmp_path / "file" / "draws")

    assert states.read() == DrawState()
    with pytest.raises(UsageError, match=r"cannot be kept in .*file/draws: Not a directory; make it writable"):
        advance(states)


def test_a_state_that_cannot_be_written_at_the_end_fails_the_turn(tmp_path: Path) -> None:
    states = DrawStates(tmp_path)

    def advance_where_a_folder_is_in_the_way() -> None:
        with states.turn() as state:
            state().counters["n"] = 1
            (tmp_path / "state.json").mkdir()

    with pytest.raises(UsageError, match="cannot be kept"):
        advance_where_a_folder_is_in_the_way()


def test_a_damaged_state_is_never_taken_for_a_beginning(tmp_path: Path) -> None:
    for damage in ('{"counters": {"n": 1', '{"counters": {"n": "1"}}', "[]"):
        (tmp_path / "state.json").write_text(damage)
        with pytest.raises(UsageError, match=r"state\.json is not as nodeflow wrote it"):
            advance(DrawStates(tmp_path))
    (tmp_path / "state.json").unlink()
    (tmp_path / "state.json").mkdir()
    with pytest.raises(UsageError, match="cannot be kept"):
        DrawStates(tmp_path).read()


def test_a_lock_that_stays_taken_is_an_error_in_the_end(tmp_path: Path) -> None:
    inside, done = threading.Event(), threading.Event()

    def hold() -> None:
        with exclusive(tmp_path / "deep" / "lock", 1.0):
            inside.set()
            done.wait(10)

    holder = threading.Thread(target=hold)
    holder.start()
    inside.wait(10)
    with pytest.raises(TimeoutError, match="held the lock"), exclusive(tmp_path / "deep" / "lock", 0.02):
        raise AssertionError("two inside")
    done.set()
    holder.join()
    with exclusive(tmp_path / "deep" / "lock", 0.0):
        pass


def test_a_file_is_replaced_with_its_rights_and_through_links(tmp_path: Path) -> None:
    (tmp_path / "real.json").write_text("old")
    (tmp_path / "real.json").chmod(0o640)
    (tmp_path / "link.json").symlink_to("real.json")

    replace_file(tmp_path / "link.json", b"new")
    replace_file(tmp_path / "sub" / "fresh.json", b"x")

    assert (tmp_path / "real.json").read_text() == "new"
    assert (tmp_path / "real.json").stat().st_mode & 0o777 == 0o640
    assert (tmp_path / "link.json").is_symlink()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link.json", "real.json", "sub"]


def test_a_file_that_cannot_be_replaced_stays(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()

    with pytest.raises(OSError, match="folder"):
        replace_file(tmp_path / "folder", b"x")

    assert [path.name for path in tmp_path.iterdir()] == ["folder"]
