"""What is known of model files is kept, and only what changed is looked into again."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from nodeflow.storage.modelindex import About, ModelIndex

Looked = list[str]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "models"
    place.mkdir()
    for name in ("a", "b", "c"):
        (place / name).write_text(name)
    time.sleep(0.06)  # the state of a file that has just changed is not remembered
    return place


@pytest.fixture
def opened(tmp_path: Path) -> Callable[[Looked], ModelIndex]:
    def make(looked: Looked, version: str = "1") -> ModelIndex:
        def look(path: Path) -> About:
            looked.append(path.name)
            return {"text": path.read_text()}

        return ModelIndex(tmp_path / "cache/models.json", version, look)

    return make


def told(index: ModelIndex, folder: Path) -> dict[str, str]:
    return {path.name: str(about["text"]) for path, about in index.about(sorted(folder.iterdir()))}


def test_only_what_changed_is_looked_into_again(opened: Callable[..., ModelIndex], folder: Path) -> None:
    looked: Looked = []
    everything = {"a": "a", "b": "b", "c": "c"}
    assert told(opened(looked), folder) == everything
    assert told(opened(looked), folder) == everything
    assert looked == ["a", "b", "c"]
    (folder / "b").write_text("B")
    (folder / "d").write_text("d")
    time.sleep(0.06)
    assert told(opened(looked), folder) == {**everything, "b": "B", "d": "d"}
    assert looked[3:] == ["b", "d"]
    assert told(opened(looked, "2"), folder)["b"] == "B"
    assert looked[5:] == ["a", "b", "c", "d"]  # of another version nothing is believed


def test_another_file_with_the_same_size_and_time_is_noticed(opened: Callable[..., ModelIndex], folder: Path) -> None:
    looked: Looked = []
    told(opened(looked), folder)
    stamp = (folder / "a").stat().st_mtime_ns
    (folder / "new").write_text("A")
    os.utime(folder / "new", ns=(stamp, stamp))
    (folder / "new").replace(folder / "a")
    assert told(opened(looked), folder)["a"] == "A"


def test_a_file_that_has_just_changed_is_not_remembered(opened: Callable[..., ModelIndex], folder: Path) -> None:
    looked: Looked = []
    (folder / "a").write_text("x")
    told(opened(looked), folder)
    time.sleep(0.06)
    told(opened(looked), folder)
    told(opened(looked), folder)
    assert looked == ["a", "b", "c", "a"]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\x00",
        b"[]",
        b"[" * 100_000,
        b'{"version": "1"}',
        b'{"version": "1", "files": []}',
        b'{"version": "1", "files": {"x": 1}}',
    ],
)
def test_a_damaged_index_is_made_anew(content: bytes, opened: Callable[..., ModelIndex], folder: Path) -> None:
    looked: Looked = []
    place = opened(looked).place
    place.parent.mkdir()
    place.write_bytes(content)
    assert told(opened(looked), folder) == {"a": "a", "b": "b", "c": "c"}
    assert set(json.loads(place.read_bytes())["files"]) == {str(folder / name) for name in "abc"}


def test_files_that_are_gone_are_forgotten_when_something_is_added(
    opened: Callable[..., ModelIndex], folder: Path
) -> None:
    index = opened([])
    told(index, folder)
    (folder / "a").unlink()
    (folder / "d").write_text("d")
    time.sleep(0.06)
    told(index, folder)
    assert set(json.loads(index.place.read_bytes())["files"]) == {str(folder / name) for name in "bcd"}


def test_a_file_that_goes_away_meanwhile_is_not_remembered(opened: Callable[..., ModelIndex], folder: Path) -> None:
    index = ModelIndex(opened([]).place, "1", lambda _: {"text": "gone"})
    assert list(index.about([folder / "absent"])) == [(folder / "absent", {"text": "gone"})]
    assert not index.place.exists()


def test_where_nothing_can_be_written_everything_is_looked_into(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    index = ModelIndex(tmp_path / "file/models.json", "1", lambda path: {"text": path.read_text()})
    assert told(index, folder) == {"a": "a", "b": "b", "c": "c"}


ADDING = """
import sys
from pathlib import Path
from nodeflow.storage.modelindex import ModelIndex
index = ModelIndex(Path(sys.argv[1]), "1", lambda path: {"text": path.read_text()})
for path in map(Path, sys.argv[2:]):
    list(index.about([path]))
"""


def test_two_processes_add_to_one_index_and_lose_nothing(folder: Path, tmp_path: Path) -> None:
    for number in range(40):
        (folder / f"f{number}").write_text(str(number))
    time.sleep(0.06)
    place, paths = tmp_path / "models.json", sorted(map(str, folder.iterdir()))
    halves = (paths[::2], paths[1::2])
    running = [subprocess.Popen([sys.executable, "-c", ADDING, str(place), *half]) for half in halves]
    assert [process.wait() for process in running] == [0, 0]
    assert sorted(json.loads(place.read_bytes())["files"]) == paths
