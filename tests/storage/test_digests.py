"""Digests are computed once per state of a file."""

import hashlib
import os
import time
from pathlib import Path

import pytest

from nodeflow.storage.digests import Digests


def settled(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    time.sleep(0.06)  # the state of a file that has just changed is not remembered
    return path


def test_a_known_file_is_not_opened_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = settled(tmp_path / "model", b"weights")
    digests = Digests(tmp_path / "memo")
    expected = hashlib.sha256(b"weights").hexdigest()
    assert digests.sha256(path) == expected

    def refuse(*_: object) -> None:
        raise AssertionError("the file was opened")

    monkeypatch.setattr(hashlib, "file_digest", refuse)
    assert Digests(tmp_path / "memo").sha256(path) == expected


def test_a_change_is_noticed_even_with_the_old_time_stamp(tmp_path: Path) -> None:
    path = settled(tmp_path / "model", b"one")
    digests = Digests(tmp_path / "memo")
    digests.sha256(path)
    stamp = path.stat().st_mtime_ns
    path.write_bytes(b"two")
    os.utime(path, ns=(stamp, stamp))
    assert digests.sha256(path) == hashlib.sha256(b"two").hexdigest()


def test_a_broken_memo_or_an_unwritable_folder_costs_only_time(tmp_path: Path) -> None:
    path = settled(tmp_path / "model", b"one")
    expected = hashlib.sha256(b"one").hexdigest()
    (tmp_path / "file").touch()
    assert Digests(tmp_path / "file" / "memo").sha256(path) == expected
    digests = Digests(tmp_path / "memo")
    digests.sha256(path)
    (record,) = (tmp_path / "memo").iterdir()
    for broken in (b"{", b"[]", b'{"state": 1}', b"\xff"):
        record.write_bytes(broken)
        assert digests.sha256(path) == expected


def test_what_is_remembered_can_be_had_without_reading_and_reading_without_what_is_remembered(tmp_path: Path) -> None:
    path = settled(tmp_path / "model", b"weights")
    digests = Digests(tmp_path / "memo")
    assert digests.known(path) is None
    expected = digests.sha256(path)
    assert digests.known(path) == expected
    status = path.stat()
    (record,) = (tmp_path / "memo").iterdir()
    record.write_text(record.read_text().replace(expected, "0" * 64))
    assert digests.sha256(path) == "0" * 64
    assert digests.measured(path) == expected
    assert path.stat().st_mtime_ns == status.st_mtime_ns


def test_a_table_of_contents_has_the_digest_of_its_whole_folder(tmp_path: Path) -> None:
    (tmp_path / "model/unet").mkdir(parents=True)
    contents = tmp_path / "model/model_index.json"
    contents.write_text("{}")
    weights = settled(tmp_path / "model/unet/model.safetensors", b"one")
    digests = Digests(tmp_path / "memo")
    assert digests.known(contents) is None
    before = digests.sha256(contents)
    assert digests.known(contents) == before == digests.measured(contents)
    (tmp_path / "model/README.md").write_text("about")
    assert digests.sha256(contents) == before
    settled(weights, b"two")
    assert digests.sha256(contents) != before
