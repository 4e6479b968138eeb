"""``nodeflow sweep``: many points, named files, a contact sheet, and going on after whatever stopped it."""

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from nodeflow.cli.swept import SCHEMA, SweepReport, schema_text
from nodeflow.storage.givennames import FILE as NAMES
from nodeflow.storage.journal import FILE as JOURNAL
from tests.cli.conftest import Said, Shell, document, interface

NODES = {
    "tally": ("Tally", {"log": "log.txt", "seed": 0, "seconds": 0}),
    "join": ("Join", {"text": "x", "number": 1}),
}
INTERFACE = interface({"seed": "tally.seed", "words": "join.text"}, {"picture": "tally.image", "answer": "join.text"})


@pytest.fixture
def tally(place: Path) -> Path:
    path = place / "tally.json"
    path.write_bytes(document(NODES, interface=INTERFACE))
    return path


def pictures(place: Path) -> list[str]:
    return sorted(path.name for path in (place / "output").glob("picture_*"))


def report(said: Said) -> SweepReport:
    return SweepReport.model_validate_json(said.out)


def test_files_and_a_sheet_are_printed_and_progress_is_told(shell: Shell, tally: Path, place: Path) -> None:
    said = shell("sweep", tally, "--over", "seed=1..3", "--target", "picture")
    assert said.code == 0
    assert said.out.splitlines() == [
        "output/picture_seed-1_00001.png",
        "output/picture_seed-2_00001.png",
        "output/picture_seed-3_00001.png",
        "output/tally_sheet_picture_00001.png",
    ]
    assert "2 of 3: seed=2" in said.err
    assert said.err.splitlines()[-1] == "3 points: 3 done"
    again = shell("sweep", tally, "--over", "seed=1..3", "--target", "picture")
    assert (again.out, again.err) == (said.out, "3 points: 3 done before\n")
    assert (place / "log.txt").read_text().split() == ["1", "2", "3"]


def test_the_report_follows_its_schema_and_the_schema_is_checked_in(shell: Shell, tally: Path) -> None:
    assert SCHEMA.read_text() == schema_text()
    found = report(shell("sweep", tally, "--over", "seed=1,2", "--over", 'words="a, b",c', "--json"))
    assert (found.status, found.axes) == ("ok", [["seed"], ["words"]])
    assert [point.values for point in found.points][:2] == [{"seed": 1, "words": "a, b"}, {"seed": 1, "words": "c"}]
    assert found.points[0].outputs["answer"].value == "a, b 1"
    assert found.points[0].files == [
        "output/picture_seed-1_words-a-b_00001.png",
        "output/answer_seed-1_words-a-b_00001.txt",
    ]
    assert found.sheets == ["output/tally_sheet_picture_00001.png"]


def test_a_table_sets_several_inputs_and_is_combined_with_the_rest(shell: Shell, tally: Path, place: Path) -> None:
    (place / "table.csv").write_text('seed,words\n1,"a, b"\n\n2,\n', encoding="utf-8-sig")
    found = report(shell("sweep", tally, "--csv", "table.csv", "--over", "join.number=5,6", "--json", "--no-sheet"))
    assert [point.values for point in found.points] == [
        {"join.number": 5, "seed": 1, "words": "a, b"},
        {"join.number": 5, "seed": 2},
        {"join.number": 6, "seed": 1, "words": "a, b"},
        {"join.number": 6, "seed": 2},
    ]
    assert found.sheets == []


def test_axes_may_walk_together(shell: Shell, tally: Path) -> None:
    found = report(shell("sweep", tally, "--zip", "--over", "seed=1..2", "--over", "words=a,b", "--json"))
    assert [point.label for point in found.points] == ["seed-1_words-a", "seed-2_words-b"]


def test_a_document_from_standard_input_is_read_once(shell: Shell) -> None:
    said = shell("sweep", "-", "--over", "seed=1,2", stdin=document(NODES, interface=INTERFACE))
    assert said.code == 0
    assert "output/sweep_sheet_picture_00001.png" in said.out


def test_a_point_that_fails_is_told_and_the_others_run(shell: Shell, place: Path) -> None:
    picky = document({"j": ("Look", {"file": "a.png"})}, interface=interface({}, {"n": "j.number"}))
    (place / "look.json").write_bytes(picky)
    for name in "abc":
        (place / f"{name}.png").write_bytes(b"x")
    (place / "a.png").write_bytes(b"xx")
    broken = document(
        {"c": ("Count", {"steps": 2}), "p": ("Picky", {"width": "@c.number"})},
        interface=interface({}, {"n": "p.number"}),
    )
    said = shell("sweep", "-", "--over", "c.seed=1,2", "--json", stdin=broken)
    assert said.code == 5
    found = report(said)
    assert (found.status, [point.status for point in found.points]) == ("failed", ["failed", "failed"])
    assert found.points[0].failures[0].input == "width"
    assert "2 points: 2 failed" in said.err
    said = shell("sweep", "-", "--over", "c.seed=1,2", "--json", "--stop-on-failure", stdin=broken)
    assert [point.status for point in report(said).points] == ["failed", "waiting"]
    said = shell("sweep", "look.json", "--over", "j.file=*.png", "--json")
    assert [point.outputs["n"].value for point in report(said).points] == [2, 1, 1]


def mistakes() -> list[tuple[list[str], int, str]]:
    return [
        ([], 2, "nothing to vary"),
        (["--over", "seed"], 2, "NAME=VALUES"),
        (["--over", "seed=1", "--over", "seed=2"], 2, "given twice"),
        (["--over", "seed=1", "--input", "seed=2"], 2, "given one value and varied"),
        (["--zip", "--over", "seed=1,2", "--over", "words=a"], 2, "seed has 2, words has 1"),
        (["--over", "sed=1,2"], 3, 'did you mean "seed"?'),
        (["--over", "secnds=1,2"], 3, 'did you mean "tally.seconds"?'),
        (["--over", "tally.seconds=1,x"], 3, "where tally.seconds=x, point 2 of 2"),
        (["--csv", "none.csv"], 4, "none.csv"),
        (["--csv", "short.csv"], 2, "first line"),
        (["--csv", "twice.csv"], 2, "a name of its own"),
        (["--csv", "uneven.csv"], 2, "line 3 has 1 fields"),
        (["--csv", "binary.csv"], 2, "UTF-8"),
        (["--over", "seed=1", "--output-dir", "tally.json/out"], 2, "is a file"),
    ]


@pytest.mark.parametrize(("words", "code", "message"), mistakes())
def test_a_mistake_is_named_before_anything_runs(
    shell: Shell, tally: Path, place: Path, words: list[str], code: int, message: str
) -> None:
    (place / "short.csv").write_text("seed\n")
    (place / "twice.csv").write_text("seed,seed\n1,2\n")
    (place / "uneven.csv").write_text("seed,words\n1,a\n2\n")
    (place / "binary.csv").write_bytes(b"\xff\xfe\x00,\n1,2\n")
    said = shell("sweep", tally, *words, "--json")
    assert said.code == code, said
    assert message in said.err
    assert report(said).exit_code == code
    assert message in (report(said).error or "")
    assert not (place / "log.txt").exists()


class Child:
    """A sweep in a process of its own."""

    def __init__(self, *words: object) -> None:
        command = [sys.executable, "-m", "nodeflow.cli.main", "sweep", *map(str, words)]
        self.process = subprocess.Popen(
            command, env=os.environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    def end(self) -> tuple[int, str, str]:
        out, err = self.process.communicate(timeout=60)
        return self.process.returncode, out, err


def wait_for(log: Path, lines: int) -> None:
    deadline = time.monotonic() + 50
    while not log.exists() or len(log.read_text().split()) < lines:
        assert time.monotonic() < deadline
        time.sleep(0.02)


SLOW = ("--set", "tally.seconds=0.15", "--no-cache", "--target", "picture")


def test_after_a_kill_only_what_was_not_done_is_run(shell: Shell, tally: Path, place: Path) -> None:
    log = place / "log.txt"
    words = (tally, "--over", "seed=1..8", *SLOW)
    child = Child(*words)
    wait_for(log, 4)
    child.process.send_signal(signal.SIGKILL)
    child.end()
    done = (place / "output" / JOURNAL).read_text().count('"done"')
    assert 2 <= done < 8
    said = shell("sweep", *words, "--json")
    assert said.code == 0
    assert [point.status for point in report(said).points] == ["kept"] * done + ["done"] * (8 - done)
    runs = Counter(log.read_text().split())
    assert set(runs) == {str(seed) for seed in range(1, 9)}
    assert sum(runs.values()) <= 9, "only the point that was running is repeated"
    assert pictures(place) == [f"picture_seed-{seed}_00001.png" for seed in range(1, 9)]


def test_two_sweeps_in_one_folder_share_the_points(tally: Path, place: Path) -> None:
    children = [Child(tally, "--over", "seed=1..8", *SLOW, "--json") for _ in range(2)]
    ended = [child.end() for child in children]
    assert [code for code, _, _ in ended] == [0, 0], ended
    assert Counter((place / "log.txt").read_text().split()) == {str(seed): 1 for seed in range(1, 9)}
    statuses = [[point["status"] for point in json.loads(out)["points"]] for _, out, _ in ended]
    assert all(set(pair) == {"done", "kept"} for pair in zip(*statuses, strict=True)), statuses
    assert pictures(place) == [f"picture_seed-{seed}_00001.png" for seed in range(1, 9)]
    sheets = sorted(path.name for path in (place / "output").iterdir() if "sheet" in path.name)
    assert sheets == ["tally_sheet_picture_00001.png"]


def test_ctrl_c_ends_the_sweep_after_the_point_that_runs(shell: Shell, place: Path) -> None:
    nodes = {"first": ("Write", {"text": "x", "prefix": "first"}), "c": ("Count", {"steps": 1000, "seconds": 0.05})}
    (place / "slow.json").write_bytes(document(nodes))
    child = Child("slow.json", "--over", "c.seed=1..5", "--target", "first", "--target", "c", "--json")
    deadline = time.monotonic() + 50
    while not list(place.glob("output/first_*")) and time.monotonic() < deadline:
        time.sleep(0.02)
    time.sleep(0.2)
    child.process.send_signal(signal.SIGINT)
    code, out, err = child.end()
    assert code == 130, err
    found = json.loads(out)
    assert found["status"] == "cancelled"
    assert [point["status"] for point in found["points"]] == ["cancelled"] + ["waiting"] * 4
    assert "the same command goes on from here" in err
    assert "Traceback" not in err


def test_the_folder_holds_nothing_that_is_not_explained(shell: Shell, tally: Path, place: Path) -> None:
    shell("sweep", tally, "--over", "seed=1", "--target", "picture")
    assert sorted(path.name for path in (place / "output").iterdir()) == [
        NAMES,
        ".nodeflow-sweep.lock",
        "picture_seed-1_00001.png",
        JOURNAL,
        "tally_sheet_picture_00001.png",
    ]
