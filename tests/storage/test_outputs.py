"""Outputs appear whole or not at all, never replace another, and stay in their folder."""

import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from nodeflow.core.errors import UsageError
from nodeflow.storage.givennames import FILE, given_names
from nodeflow.storage.outputs import OutputFailed, Outputs


def hidden_files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob(".*") if path.name != FILE]


def visible_files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))


def test_numbers_count_up_from_one_and_nothing_else_is_left(tmp_path: Path) -> None:
    outputs = Outputs(tmp_path / "out")
    first, second = outputs.save("cat", "png", b"1").path, outputs.save("cat", "png", b"2").path
    assert [first.name, second.name] == ["cat_00001.png", "cat_00002.png"]
    assert first.read_bytes() == b"1"
    assert second.read_bytes() == b"2"
    assert hidden_files(tmp_path) == []


def test_a_number_is_not_given_twice_after_a_picture_was_deleted(tmp_path: Path) -> None:
    outputs = Outputs(tmp_path)
    outputs.save("cat", "png", b"1").path.unlink()
    outputs.save("cat", "png", b"2").path.unlink()
    assert outputs.save("cat", "png", b"3").path.name == "cat_00003.png"


def test_prefixes_with_regular_expression_signs_count_for_themselves(tmp_path: Path) -> None:
    outputs = Outputs(tmp_path)
    outputs.save("a.c", "png", b"")
    assert outputs.save("abc", "png", b"").path.name == "abc_00001.png"
    assert outputs.save("a.c", "png", b"").path.name == "a.c_00002.png"
    assert outputs.save("a+(b)[", "png", b"").path.name == "a+(b)[_00001.png"


def test_a_prefix_may_name_folders_below_the_output_folder(tmp_path: Path) -> None:
    path = Outputs(tmp_path).save("2026/cats/tabby", "png", b"x").path
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
    with pytest.raises(OutputFailed, match="symbolic link"):
        Outputs(tmp_path / "out").save("door/folder/cat", "png", b"x")
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_a_symbolic_link_that_leads_to_itself_is_told(tmp_path: Path) -> None:
    (tmp_path / "circle").symlink_to("circle")
    with pytest.raises(OutputFailed):
        Outputs(tmp_path).save("circle/cat", "png", b"x")


def test_a_dangling_link_with_the_next_name_is_not_written_through(tmp_path: Path) -> None:
    (tmp_path / "cat_00001.png").symlink_to(tmp_path / "victim")
    path = Outputs(tmp_path).save("cat", "png", b"x").path
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
from collections.abc import Iterator
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
    files = sorted(path.name for path in tmp_path.glob("cat_*"))
    assert files == [f"cat_{number:05d}.png" for number in range(1, 81)]
    heads = {path.read_bytes().split(b"x")[0] for path in tmp_path.glob("cat_*")}
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
    assert visible_files(tmp_path) == []
    assert hidden_files(tmp_path) == []


def test_without_hard_links_files_still_appear_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(source: Path, target: Path) -> None:
        raise OSError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    outputs = Outputs(tmp_path)
    (tmp_path / "cat_00001.png").write_bytes(b"old")
    assert outputs.save("cat", "png", b"new").path.read_bytes() == b"new"
    assert (tmp_path / "cat_00001.png").read_bytes() == b"old"
    assert hidden_files(tmp_path) == []


def test_the_very_same_file_is_not_written_again(tmp_path: Path) -> None:
    Outputs(tmp_path).save("cat", "png", b"1")
    first = Outputs(tmp_path).save("cat", "png", b"2")
    before = first.path.stat()
    later = Outputs(tmp_path)
    assert later.save("cat", "png", b"2") == (first.path, True)
    assert later.unchanged == {first.path}
    assert first.path.stat().st_mtime_ns == before.st_mtime_ns
    assert visible_files(tmp_path) == ["cat_00001.png", "cat_00002.png"]


def test_a_file_that_nobody_registered_counts_as_the_same_too(tmp_path: Path) -> None:
    (tmp_path / "cat_00007.png").write_bytes(b"old")
    assert Outputs(tmp_path).save("cat", "png", b"old") == (tmp_path / "cat_00007.png", True)


@pytest.mark.parametrize("name", ["cat_00001.txt", "cat_1.png", "cats_00001.png", "cat_00001.x.png"])
def test_a_file_of_another_name_is_not_the_same(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"old")
    assert not Outputs(tmp_path).save("cat", "png", b"old").unchanged


def test_a_deleted_file_comes_back_under_its_old_number(tmp_path: Path) -> None:
    paths = [Outputs(tmp_path).save("cat", "png", bytes([number])).path for number in range(5)]
    paths[2].unlink()
    paths[4].unlink()
    assert Outputs(tmp_path).save("cat", "png", bytes([2])) == (paths[2], False)
    assert Outputs(tmp_path).save("cat", "png", bytes([9])).path.name == "cat_00006.png", "five had its picture"
    assert Outputs(tmp_path).save("cat", "png", bytes([4])) == (paths[4], False)


def test_a_file_that_was_edited_is_left_alone(tmp_path: Path) -> None:
    path = Outputs(tmp_path).save("cat", "png", b"made").path
    path.write_bytes(b"edit")
    assert Outputs(tmp_path).save("cat", "png", b"made").path.name == "cat_00002.png"
    assert path.read_bytes() == b"edit"


def test_equal_files_of_one_run_are_kept_apart_and_all_known_again(tmp_path: Path) -> None:
    frames = [b"still", b"still", b"moves", b"still"]
    first, again = Outputs(tmp_path), Outputs(tmp_path)
    made = [first.save("frame", "jpg", frame) for frame in frames]
    assert [path.name for path, _ in made] == [f"frame_{number:05d}.jpg" for number in range(1, 5)]
    assert [again.save("frame", "jpg", frame) for frame in frames] == [(path, True) for path, _ in made]


def test_a_register_that_was_cut_off_or_cannot_be_kept_costs_only_old_numbers(tmp_path: Path) -> None:
    outputs = Outputs(tmp_path)
    first, second = (outputs.save("cat", "png", data).path for data in (b"1", b"2"))
    register = tmp_path / FILE
    register.write_bytes(register.read_bytes()[:-9])
    second.unlink()
    assert Outputs(tmp_path).save("cat", "png", b"3").path.name == "cat_00002.png"
    first.unlink()
    assert Outputs(tmp_path).save("cat", "png", b"1").path == first, "the line before is whole"
    register.unlink()
    register.mkdir()
    first.unlink()
    assert Outputs(tmp_path).save("cat", "png", b"1").path.name == "cat_00003.png"


def test_a_process_stopped_while_giving_a_name_stops_nobody_else(tmp_path: Path) -> None:
    with given_names(tmp_path):
        begun = time.monotonic()
        assert Outputs(tmp_path).save("cat", "png", b"1").path.name == "cat_00001.png"
        assert time.monotonic() - begun < 10


def test_eight_writers_of_one_picture_write_it_once(tmp_path: Path) -> None:
    writers = [writer(tmp_path, "same", 5) for _ in range(8)]
    assert [process.wait(60) for process in writers] == [0] * 8
    assert len(visible_files(tmp_path)) == 5


def test_a_label_stands_in_every_name_and_is_cut_where_it_does_not_fit(tmp_path: Path) -> None:
    outputs = Outputs(tmp_path).for_run("cfg-4_seed-1")
    assert outputs.save("sub/cat", "png", b"1").path == tmp_path / "sub/cat_cfg-4_seed-1_00001.png"
    long = Outputs(tmp_path).for_run("prompt-" + "é" * 300)
    name = long.save("cat", "png", b"1").path.name
    assert name.startswith("cat_prompt-é")
    assert len(os.fsencode(name)) < 255
    assert long.save("x" * 200, "png", b"1").path.name == "x" * 200 + "_00001.png"


def test_ten_thousand_files_do_not_make_saving_slow(tmp_path: Path) -> None:
    for number in range(1, 10_001):
        (tmp_path / f"cat_{number:05d}.png").touch()
    lines = "".join(f"\n{number:064x} cat_{number:05d}.png" for number in range(1, 10_001))
    (tmp_path / FILE).write_text(lines)
    outputs = Outputs(tmp_path)
    outputs.save("cat", "png", b"first")
    begun = time.perf_counter()
    assert outputs.save("cat", "png", b"second").path.name == "cat_10002.png"
    assert time.perf_counter() - begun < 1.0


def test_a_file_in_pieces_is_written_like_one_in_one_piece(tmp_path: Path) -> None:
    outputs = Outputs(tmp_path)
    whole = outputs.save("model", "bin", b"abcdef").path
    again = Outputs(tmp_path).save("model", "bin", iter([b"abc", b"", b"def"]))
    assert (again.path, again.unchanged) == (whole, True)
    other = outputs.save("model", "bin", iter([b"abc", b"xyz"]))
    assert (other.path.name, other.path.read_bytes(), other.unchanged) == ("model_00002.bin", b"abcxyz", False)
    assert hidden_files(tmp_path) == []


def test_pieces_that_fail_to_come_leave_nothing(tmp_path: Path) -> None:
    def pieces() -> Iterator[bytes]:
        yield b"abc"
        raise ValueError("no more")

    with pytest.raises(ValueError, match="no more"):
        Outputs(tmp_path).save("model", "bin", pieces())
    assert visible_files(tmp_path) == []
    assert hidden_files(tmp_path) == []
