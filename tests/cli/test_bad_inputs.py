"""What a bad input gets: one message with node, input, found, expected and the way out, an exit code, no traceback."""

import json
import math
import os
import resource
import signal
import struct
import subprocess
import sys
import time
import zlib
from pathlib import Path

import pytest
from safetensors.torch import save_file

from tests.cli.conftest import Shell, document, files_in, interface
from tests.nodes.conftest import SETTINGS, micro_weights

COUNT = document({"c": ("Count", {})}, interface=interface({}, {"n": "c.number"}))


def said_all(text: str, *parts: str) -> None:
    missing = [part for part in parts if part not in text]
    assert not missing, f"{missing} not in {text}"


def chain(length: int) -> bytes:
    nodes = {f"n{index}": ("Join", {"text": f"@n{index - 1}.text" if index else "x"}) for index in range(length)}
    return document(nodes)


BROKEN = [
    ("empty file", b"", 3, ["json"]),
    ("not JSON", b'{"nodeflow": 1,,}', 3, ["line 1", "column"]),
    ("cut off", COUNT[:-20], 3, ["line 1"]),
    ("binary garbage", bytes(range(256)) * 10, 3, ["UTF-8"]),
    ("not an object", b"[1, 2]", 3, ['"nodes": {']),
    ("deep", b'{"nodeflow":' + b"[" * 100_000, 3, ["limit"]),
    ("huge", b'{"nodeflow": 1, "meta": "' + b"x" * (80 * 2**20) + b'"}', 3, ["limit"]),
    ("another program's", b'{"3": {"class_type": "KSampler", "inputs": {}}}', 3, ["ComfyUI"]),
    ("unknown node", document({"n": ("shelltest.Cuont", {})}), 3, ["n", "shelltest.Cuont", "shelltest.Count"]),
    ("unknown input", document({"n": ("Count", {"stps": 1})}), 3, ["n", "stps", "steps"]),
    ("missing input", document({"n": ("Join", {})}), 3, ["n", "text", "str"]),
    ("too small a number", document({"n": ("Count", {"steps": 0})}), 3, ["n", "steps", "0", "≥ 1", "nearest is 1"]),
    ("too large a number", document({"n": ("Count", {"steps": 5000})}), 3, ["n", "steps", "1000"]),
    ("a text for a number", document({"n": ("Count", {"steps": "many"})}), 3, ["n", "steps", "many", "whole number"]),
    ("NaN", document({"n": ("Count", {"seconds": 1})}).replace(b'"seconds": 1', b'"seconds": NaN'), 3, ["NaN"]),
    (
        "wrong link type",
        document({"a": ("Join", {"text": "x"}), "b": ("Count", {"steps": "@a.text"})}),
        3,
        ["b", "steps", "str", "int"],
    ),
    ("a link to nothing", document({"b": ("Count", {"steps": "@a.number"})}), 3, ["b", "steps", "a.number"]),
    (
        "cycle",
        document({"a": ("Join", {"text": "@b.text"}), "b": ("Join", {"text": "@a.text"})}),
        3,
        ["a", "b", "cycle"],
    ),
    (
        "missing model",
        document({"n": ("Length", {"file": "tyni.safetensors"})}),
        4,
        ["n", "file", "tyni", "checkpoints/"],
    ),
    ("missing picture", document({"n": ("Look", {"file": "cat.png"})}), 4, ["n", "file", "cat.png"]),
    ("a path out", document({"n": ("Look", {"file": "../../etc/passwd"})}), 3, ["n", "file", "../../etc/passwd"]),
    ("an absolute path", document({"n": ("Length", {"file": "/etc/passwd"})}), 3, ["n", "file", "/etc/passwd"]),
    ("two kinds of problem", document({"n": ("Length", {"file": "a"}), "m": ("Count", {"steps": 0})}), 3, ["n", "m"]),
    (
        "a failing node",
        document({"n": ("Picky", {})}, interface=interface({}, {"x": "n.number"})),
        5,
        ["n", "width", "try 8"],
    ),
]


@pytest.mark.parametrize(("data", "code", "parts"), [row[1:] for row in BROKEN], ids=[row[0] for row in BROKEN])
def test_a_broken_document_gets_a_message(shell: Shell, data: bytes, code: int, parts: list[str]) -> None:
    said = shell("run", "-", stdin=data)
    assert said.code == code, said
    assert said.out == ""
    assert "Traceback" not in said.err
    said_all(said.err, *parts)


@pytest.mark.parametrize(
    ("data", "code"), [row[1:3] for row in BROKEN if row[2] != 5], ids=[row[0] for row in BROKEN if row[2] != 5]
)
def test_check_says_the_same_without_running(shell: Shell, data: bytes, code: int) -> None:
    assert shell("check", "-", stdin=data).code == code


def test_an_empty_graph_runs_and_says_that_nothing_is_wanted(shell: Shell) -> None:
    said = shell("run", "-", stdin=document({}))
    assert said.code == 0
    assert "no node saves" in said.err
    assert shell("run", "-", "--strict", stdin=document({})).code == 3


def test_the_name_of_a_file_in_an_error_does_not_steer_the_terminal(shell: Shell, place: Path, home: Path) -> None:
    folder = home / "models/checkpoints"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "a\x1b[31m\nb.safetensors").write_bytes(b"")
    inputs = {"checkpoint": "gone.safetensors"}
    document = {"nodeflow": 1, "nodes": {"base": {"type": "LoadCheckpoint", "version": 1, "inputs": inputs}}}
    (place / "gone.json").write_text(json.dumps(document))
    said = shell("check", "gone.json")
    assert r"a\x1b[31m\nb.safetensors" in said.out + said.err
    assert "\x1b" not in said.out + said.err


def test_a_file_that_is_not_there_or_a_folder(shell: Shell, place: Path) -> None:
    for name in ("absent.json", "."):
        said = shell("run", name)
        assert said.code == 4
        assert name in said.err


def test_a_long_chain_is_no_problem(shell: Shell) -> None:
    assert shell("run", "-", stdin=chain(1500)).code == 0


def test_a_nodes_own_fault_shows_its_author_the_line(shell: Shell) -> None:
    said = shell("run", "-", stdin=document({"n": ("Broken", {})}, interface=interface({}, {"x": "n.text"})))
    assert said.code == 5
    said_all(said.err, "Traceback", "nodes.py", "return text[99]", 'shelltest.Broken "n"', "IndexError")
    assert "nodeflow/engine" not in said.err


def test_one_failure_leaves_the_other_branch(shell: Shell, place: Path) -> None:
    both = document(
        {"b": ("Broken", {}), "c": ("Count", {})}, interface=interface({}, {"x": "b.text", "n": "c.number"})
    )
    said = shell("run", "-", "--json", stdin=both)
    report = said.report
    assert (said.code, report["status"]) == (5, "failed")
    assert report["outputs"]["n"]["value"] == 3
    assert "x" not in report["outputs"]
    assert report["failures"][0]["node"] == "b"
    assert "return text[99]" in report["failures"][0]["traceback"]


def load_image(name: str) -> bytes:
    nodes = {"load": ("Load", {"image": name}), "save": ("Save", {"images": "@load.image"})}
    return document(nodes).replace(b"shelltest.Load", b"LoadImage").replace(b"shelltest.Save", b"SaveImage")


def bomb() -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    pixels = zlib.compress(bytes(100_000))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("data", "message"), [(b"this is no picture", "not a picture"), (bomb(), "pixels"), (bomb()[:60], "cat.png")]
)
def test_a_picture_that_is_none_or_a_bomb(shell: Shell, place: Path, data: bytes, message: str) -> None:
    (place / "cat.png").write_bytes(data)
    (place / "doc.json").write_bytes(load_image("cat.png"))
    said = shell("run", "doc.json")
    assert said.code == 5
    assert "Traceback" not in said.err
    said_all(said.err, 'LoadImage "load"', "image", message)
    assert not (place / "output").exists()


def test_an_output_folder_below_a_file_is_found_before_anything_runs(shell: Shell, place: Path) -> None:
    (place / "file").touch()
    said = shell("run", "-", "--json", "--output-dir", "file/out", stdin=COUNT)
    assert said.code == 2
    said_all(said.err, "file/out", "is a file", "choose another output folder")
    assert "steps in" not in said.err
    assert said.report["status"] == "failed"


@pytest.mark.parametrize("saver", ["node", "interface"])
def test_a_full_disk_is_a_failure_without_a_half_file(shell: Shell, place: Path, saver: str) -> None:
    nodes = {"p": ("Paint", {"width": 4096})}
    rest = {"interface": interface({}, {"picture": "p.image"})} if saver == "interface" else {}
    if saver == "node":
        nodes["s"] = ("Save", {"images": "@p.image"})
    data = document(nodes, **rest).replace(b"shelltest.Save", b"SaveImage")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))
    try:
        said = shell("run", "-", "--no-cache", stdin=data)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert said.code == 5
    assert "Traceback" not in said.err
    said_all(said.err, "cannot write", "larger than")
    assert files_in(place / "output") == []


def test_a_cache_that_cannot_be_written_is_a_warning(shell: Shell, home: Path, place: Path) -> None:
    (home / "cache" / "results").write_text("in the way")
    slow = document({"c": ("Count", {"steps": 3, "seconds": 0.05})}, interface=interface({}, {"n": "c.number"}))
    try:
        said = shell("run", "-", "--json", stdin=slow)
    finally:
        (home / "cache" / "results").unlink()
    assert said.code == 0
    assert len(said.report["warnings"]) == 1
    said_all(said.err, "warning", "not kept on disk")


def test_numbers_that_are_none_name_the_node_and_save_nothing(shell: Shell, place: Path) -> None:
    weights = {name: weight if "out.2" not in name else weight * math.nan for name, weight in micro_weights().items()}
    model = place / "models/checkpoints/broken.safetensors"
    model.parent.mkdir(parents=True)
    save_file(weights, model, {"nodeflow.config": json.dumps(SETTINGS)})
    said = shell("run", "txt2img", "--models-dir", "models", "--set", "base.checkpoint=broken.safetensors")
    assert said.code == 5
    assert "Traceback" not in said.err
    said_all(said.err, 'KSampler "sample"', "model", "NaN")
    assert not (place / "output").exists()


class Child:
    """The shell in a process of its own, for what cannot be tried in this one."""

    def __init__(self, place: Path, *words: str, limit: int | None = None) -> None:
        code = "import sys; from nodeflow.cli.main import main; raise SystemExit(main(sys.argv[1:]))"
        if limit is not None:
            code = f"import resource; resource.setrlimit(resource.RLIMIT_AS, ({limit}, {limit})); {code}"
        self.process = subprocess.Popen(
            [sys.executable, "-c", code, *words],
            cwd=place,
            env=os.environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def end(self) -> tuple[int, str, str]:
        out, err = self.process.communicate(timeout=60)
        return self.process.returncode, out, err

    def wait_for(self, file: Path) -> None:
        deadline = time.monotonic() + 50
        while not file.exists() and self.process.poll() is None:
            assert time.monotonic() < deadline
            time.sleep(0.02)


def slow_document(place: Path) -> Path:
    path = place / "slow.json"
    nodes = {
        "first": ("Write", {"text": "x", "prefix": "first"}),
        "c": ("Count", {"steps": 1000, "seconds": 0.05}),
        "j": ("Join", {"text": "end", "number": "@c.number"}),
        "last": ("Write", {"text": "@j.text", "prefix": "last"}),
    }
    path.write_bytes(document(nodes))
    return path


def test_a_real_lack_of_memory_has_its_own_exit_code(place: Path) -> None:
    hungry = document({"h": ("Hungry", {"megabytes": 4000})}, interface=interface({}, {"n": "h.number"}))
    (place / "hungry.json").write_bytes(hungry)
    code, out, err = Child(place, "run", "hungry.json", "--json", limit=3 * 2**30).end()
    assert code == 6, err
    said_all(err, 'shelltest.Hungry "h"', "out of memory")
    assert "Traceback" not in err
    assert json.loads(out)["failures"][0]["exit_code"] == 6


def test_ctrl_c_stops_within_a_step_and_leaves_no_half_file(place: Path) -> None:
    slow_document(place)
    child = Child(place, "run", "slow.json", "--json")
    child.wait_for(place / "output/first_00001.txt")
    time.sleep(0.3)
    started = time.monotonic()
    child.process.send_signal(signal.SIGINT)
    code, out, err = child.end()
    assert code == 130, err
    assert time.monotonic() - started < 5
    assert json.loads(out)["status"] == "cancelled"
    assert "Traceback" not in err
    assert files_in(place / "output") == ["first_00001.txt"]


def test_a_second_ctrl_c_ends_a_node_that_does_not_listen(place: Path) -> None:
    slow_document(place)
    child = Child(place, "run", "slow.json", "--set", "c.seconds=50")
    child.wait_for(place / "output/first_00001.txt")
    time.sleep(0.3)
    child.process.send_signal(signal.SIGINT)
    time.sleep(0.3)
    assert child.process.poll() is None
    child.process.send_signal(signal.SIGINT)
    code, _, err = child.end()
    assert code == 130
    said_all(err, "once more")


def test_a_killed_run_leaves_whole_files_and_the_next_run_works(place: Path) -> None:
    slow_document(place)
    child = Child(place, "run", "slow.json")
    child.wait_for(place / "output/first_00001.txt")
    child.process.kill()
    child.end()
    code, _, err = Child(place, "run", "slow.json", "--set", "c.seconds=0", "--set", "c.steps=2").end()
    assert code == 0, err
    assert files_in(place / "output") == ["first_00001.txt", "last_00001.txt"]
    assert "first: output/first_00001.txt is unchanged" in err


def test_two_runs_at_once_share_a_folder(place: Path) -> None:
    nodes = {"c": ("Count", {"steps": 5, "seconds": 0.02}), "j": ("Join", {"text": "x", "number": "@c.number"})}
    (place / "two.json").write_bytes(document({**nodes, "w": ("Write", {"text": "@j.text", "prefix": "same"})}))
    children = [Child(place, "run", "two.json", "--set", f"j.text={text}") for text in "xyy"]
    assert [child.end()[0] for child in children] == [0, 0, 0]
    assert files_in(place / "output") == ["same_00001.txt", "same_00002.txt"], "the same file is not kept twice"
