"""Outputs appear whole or not at all, never replace another, and stay in their folder."""

import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from nodeflow.core.errors import UsageError
from nodeflow.storage.outputs import OutputFailed, Outputs


def hidden_files(folder: Path) -> list[Path]:
    return list(folder.rglob(".*"))


def test_numbers_count_up_from_one_and_nothing_else_is_left(tmp_path: Path) -> None:
    outputs = Outputs(tmp_path / "out")
    first, second = outputs.save("cat", "png", b"1"), outputs.save("cat", "png", b"2")
    assert [first.name, second.name] == ["cat_00001.png", "cat_00002.png"]
    assert first.read_bytes() == b"1"
    assert second.read_bytes() == b"2"
    assert hidden_files(tmp_path) == []


def test_a_number_is_not_given_twice_after_a_picture_was_deleted(tmp_path: Path) -> None:
    outputs = Outputs(tmp_path)
    outputs.save("cat", "png", b"")
    outputs.save("cat", "png", b"").with_name("cat_00001.png").unlink()
    assert outputs.save("cat", "png", b"").name == "cat_00003.png"


def test_prefixes_with_regular_expression_signs_count_for_themselves(tmp_path: Path) -> None:
    outputs = Outputs(tmp_path)
    outputs.save("a.c", "png", b"")
    assert outputs.save("abc", "png", b"").name == "abc_00001.png"
    assert outputs.save("a.c", "png", b"").name == "a.c_00002.png"
    assert outputs.save("a+(b)[", "png", b"").name == "a+(b)[_00001.png"


def test_a_prefix_may_name_folders_below_the_output_folder(tmp_path: Path) -> None:
    path = Outputs(tmp_path).save("2026/cats/tabby", "png", b"x")
    assert path == tmp_path / "2026" / "cats" / "tabby_00001.png"


@pytest.mark.parametrize(
    "prefix",
    ["../cat", "/etc/cat", "a/../../cat", "~/cat", "", "a//b", "a/", "c:cat", "a\\..\\b", "x\0y", "x\ny", "y" * 300],
)
def test_a_prefix_that_leaves_the_folder_is_refused(tmp_path: Path, prefix: str) -> None:
    with pytest.raises(OutputFailed, match="cannot be used"):
        Outputs(tmp_path / "out").save(prefix, "png", b"x")
    assert list(tmp_path.iterdir()) == []


def test_a_suffix_cannot_leave_the_folder_either(tmp_path: Path) -> None:
    with pytest.raises(OutputFailed):
        Outputs(tmp_path).save("cat", "../png", b"x")


def test_a_symbolic_link_out_of_the_folder_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "door").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OutputFailed, match="symbolic link"):
        Outputs(tmp_path / "out").save("door/cat", "png", b"x")
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_a_dangling_link_with_the_next_name_is_not_written_through(tmp_path: Path) -> None:
    (tmp_path / "cat_00001.png").symlink_to(tmp_path / "victim")
    path = Outputs(tmp_path).save("cat", "png", b"x")
    assert path.name == "cat_00002.png"
    assert not (tmp_path / "victim").exists()


def test_a_folder_below_a_file_is_found_before_anything_runs(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    outputs = Outputs(tmp_path / "file" / "out")
    with pytest.raises(UsageError, match="is a file"):
        outputs.check()
    with pytest.raises(OutputFailed, match="not a folder"):
        outputs.save("cat", "png", b"x")


def test_checking_a_folder_makes_nothing(tmp_path: Path) -> None:
    Outputs(tmp_path / "a" / "b").check()
    assert list(tmp_path.iterdir()) == []


WRITER = """
import sys
from pathlib import Path
from nodeflow.storage.outputs import Outputs
outputs = Outputs(Path(sys.argv[1]))
for index in range(int(sys.argv[3])):
    outputs.save("cat", "png", f"{sys.argv[2]}:{index}:".encode() + b"x" * 50_000)
"""


def writer(folder: Path, name: str, count: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", WRITER, str(folder), name, str(count)])


def test_eight_writers_at_once_lose_nothing(tmp_path: Path) -> None:
    writers = [writer(tmp_path, str(number), 10) for number in range(8)]
    assert [process.wait(60) for process in writers] == [0] * 8
    files = sorted(path.name for path in tmp_path.iterdir())
    assert files == [f"cat_{number:05d}.png" for number in range(1, 81)]
    heads = {path.read_bytes().split(b"x")[0] for path in tmp_path.iterdir()}
    assert len(heads) == 80


def test_a_killed_writer_leaves_only_whole_files_and_the_next_one_cleans_up(tmp_path: Path) -> None:
    killed = [writer(tmp_path, str(number), 10**6) for number in range(3)]
    deadline = time.monotonic() + 30
    while len(list(tmp_path.glob("cat_*"))) < 12 and time.monotonic() < deadline:
        time.sleep(0.01)
    for process in killed:
        process.send_signal(signal.SIGKILL)
        process.wait(30)
    files = list(tmp_path.glob("cat_*"))
    assert len(files) >= 12
    assert all(path.read_bytes().endswith(b"x" * 50_000) for path in files)
    Outputs(tmp_path).save("dog", "png", b"x")
    assert hidden_files(tmp_path) == []


def test_unfinished_files_of_another_machine_go_after_a_day(tmp_path: Path) -> None:
    young, old = tmp_path / ".nodeflow-other-1-aa.tmp", tmp_path / ".nodeflow-other-1-bb.tmp"
    young.touch()
    old.touch()
    os.utime(old, (0, 0))
    Outputs(tmp_path).save("cat", "png", b"x")
    assert hidden_files(tmp_path) == [young]


def test_a_full_disk_is_a_clear_error_and_leaves_no_half_file(tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        with pytest.raises(OutputFailed, match="larger than"):
            Outputs(tmp_path).save("cat", "png", b"x" * 5000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert list(tmp_path.iterdir()) == []


def test_without_hard_links_files_still_appear_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(source: Path, target: Path) -> None:
        raise OSError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    outputs = Outputs(tmp_path)
    (tmp_path / "cat_00001.png").write_bytes(b"old")
    assert outputs.save("cat", "png", b"new").read_bytes() == b"new"
    assert (tmp_path / "cat_00001.png").read_bytes() == b"old"
    assert hidden_files(tmp_path) == []
