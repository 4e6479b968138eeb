"""The journal of sweeps: lines are added whole, a torn one spoils no other, and a point has one runner at a time."""

import resource
import subprocess
import sys
from pathlib import Path

import pytest

from nodeflow.storage.journal import FILE, Journal
from nodeflow.storage.outputs import OutputFailed

KEY, OTHER = "ab" * 32, "cd" * 32


def finish(journal: Journal, key: str, folder: Path, name: str = "a.txt") -> Path:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(name)
    journal.finish(key, {"outputs": {}, "drawn": {}}, {name: folder / name})
    return folder / name


def test_what_one_finished_another_knows(tmp_path: Path) -> None:
    first, second = Journal(tmp_path), Journal(tmp_path)
    assert second.done(KEY) is None
    finish(first, KEY, tmp_path)
    assert second.done(KEY) is not None
    assert second.done(OTHER) is None


def test_a_point_counts_as_done_while_its_files_are_as_they_were(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    path = finish(journal, KEY, tmp_path)
    path.write_text("edited")
    assert journal.done(KEY) is None
    path.unlink()
    assert journal.done(KEY) is None
    finish(journal, KEY, tmp_path)
    assert journal.done(KEY) is not None


def test_a_torn_line_and_foreign_lines_spoil_no_other(tmp_path: Path) -> None:
    finish(Journal(tmp_path), KEY, tmp_path)
    with (tmp_path / FILE).open("ab") as file:
        file.write(b'[1]\n{"key": "x", "state": "done"}\n\xff\n{"key": "' + OTHER.encode())
    journal = Journal(tmp_path)
    assert journal.done(KEY) is not None
    finish(journal, OTHER, tmp_path, "b.txt")
    assert Journal(tmp_path).done(OTHER) is not None


def test_fresh_forgets_what_was_before(tmp_path: Path) -> None:
    finish(Journal(tmp_path), KEY, tmp_path)
    fresh = Journal(tmp_path, fresh=True)
    assert fresh.done(KEY) is None
    finish(fresh, KEY, tmp_path)
    assert fresh.done(KEY) is not None
    assert Journal(tmp_path / "new", fresh=True).done(KEY) is None


def test_a_point_that_another_process_runs_is_left_to_it(tmp_path: Path) -> None:
    holder = f"""
import sys
from pathlib import Path
from nodeflow.storage.journal import Journal
journal = Journal(Path({str(tmp_path)!r}))
print(journal.claim({KEY!r}) is not None, flush=True)
sys.stdin.read()
"""
    process = subprocess.Popen([sys.executable, "-c", holder], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stdout.readline() == "True\n"
    journal = Journal(tmp_path)
    assert journal.claim(KEY) is None
    release = journal.claim(OTHER)
    assert release is not None
    release()
    process.kill()
    process.communicate()
    assert journal.claim(KEY) is not None, "the right ends with its process"
    journal.close()


def test_a_journal_that_cannot_be_written_says_why(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputFailed, match="not a folder"):
        Journal(tmp_path / "file" / "out").claim(KEY)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, hard))
    try:
        with pytest.raises(OutputFailed, match=FILE):
            Journal(tmp_path).begin(KEY, {"document": {}, "drawn": {}})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
