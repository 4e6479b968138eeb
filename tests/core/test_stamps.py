"""Files that may have changed: what a stamp shows, and when the contents are read."""

import os
from pathlib import Path

import pytest

from nodeflow.core import stamps
from nodeflow.core.stamps import Seen, see, stamp_of


def test_a_stamp_changes_with_the_files(tmp_path: Path) -> None:
    file = tmp_path / "a.py"
    gone = stamp_of([file])
    file.write_text("1", encoding="utf-8")
    one = stamp_of([file])
    file.write_text("22", encoding="utf-8")
    assert len({gone, one, stamp_of([file]), stamp_of([file], salt="x")}) == 4


def test_another_file_of_the_same_size_and_time_has_another_stamp(tmp_path: Path) -> None:
    file, other = tmp_path / "a.py", tmp_path / "b.py"
    file.write_text("1", encoding="utf-8")
    other.write_text("2", encoding="utf-8")
    os.utime(file, ns=(1, 1))
    before = stamp_of([file])
    other.replace(file)
    os.utime(file, ns=(1, 1))
    assert stamp_of([file]) != before


def test_files_are_read_as_long_as_they_changed_only_just_now(tmp_path: Path) -> None:
    file = tmp_path / "a.py"
    file.write_text("1", encoding="utf-8")
    first = see([file], tmp_path)
    assert first.stamp == ""
    file.write_text("2", encoding="utf-8")
    assert see([file], tmp_path, first).digest != first.digest


def test_files_that_have_settled_are_only_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "a.py"
    file.write_text("1", encoding="utf-8")
    first = see([file], tmp_path)
    monkeypatch.setattr(stamps, "_GRAIN_NS", 0)
    settled = see([file], tmp_path, first)
    assert settled.stamp
    assert settled.digest == first.digest
    known = Seen(settled.stamp, "remembered")
    assert see([file], tmp_path, known) is known


def test_a_digest_is_of_names_and_contents_and_not_of_places(tmp_path: Path) -> None:
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a.py").write_text("1", encoding="utf-8")
    one, two = tmp_path / "one", tmp_path / "two"
    assert see([one / "a.py"], one).digest == see([two / "a.py"], two).digest
    assert see([one / "a.py"], tmp_path).digest != see([two / "a.py"], tmp_path).digest
    assert see([one / "gone"], one).digest != see([], one).digest
