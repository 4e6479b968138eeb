"""``nodeflow run --server`` is ``nodeflow run``: same exit code, same words, same files, same report."""

import json
import re
import signal
import struct
import time
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from nodeflow.cli.remote import report_of_job
from nodeflow.protocol.jobreport import JobReport
from nodeflow.protocol.jobs import JobError, JobState
from nodeflow.storage.documents import CHUNK, RECORD_CHUNK
from nodeflow.storage.png import SIGNATURE, read_texts, without_texts
from tests.cli.conftest import Said, Shell, document, files_in, interface
from tests.cli.liveserver import LiveServer
from tests.cli.test_bad_inputs import BROKEN, Child

JOINED = document(
    {"count": ("Count", {"steps": 4}), "join": ("Join", {"text": "hello", "number": "@count.number"})},
    interface=interface(
        {"prompt": "join.text", "steps": "count.steps"}, {"answer": "join.text", "total": "count.number"}
    ),
)
LOOK = document(
    {"look": ("Look", {"file": "a.png"})}, interface=interface({"picture": "look.file"}, {"n": "look.number"})
)
WARNER = document({"w": ("Warner", {})}, interface=interface({}, {"text": "w.text"}))
PAINT = document({"p": ("Paint", {"batch": 2})}, interface=interface({}, {"pictures": "p.image"}))
ONE = document({"p": ("Paint", {"seed": 3})}, interface=interface({}, {"picture": "p.image"}))
SAVING = document(
    {"join": ("Join", {"text": "a"}), "write": ("Write", {"text": "@join.text", "prefix": "sub/kept"})},
    interface=interface({}, {"answer": "join.text"}),
)
HALF = document({"b": ("Broken", {}), "c": ("Count", {})}, interface=interface({}, {"x": "b.text", "n": "c.number"}))
DRAWN = document(
    {"j": ("Join", {"text": {"draw": "choice", "of": ["only"]}})}, interface=interface({}, {"answer": "j.text"})
)
SHOWING = document({"p": ("Paint", {}), "s": ("Preview", {"images": "@p.image"})}).replace(
    b"shelltest.Preview", b"PreviewImage"
)
FOLDER = document({"l": ("LoadFolder", {"folder": "in"})}, interface=interface({}, {"names": "l.names"})).replace(
    b"shelltest.LoadFolder", b"LoadImageFolder"
)
INSIDE = document(
    {"use": ("graph:looking", {})},
    interface=interface({}, {"n": "use.n"}),
    graphs={
        "looking": {
            "nodes": {"look": {"type": "shelltest.Look", "version": 1, "inputs": {"file": "a.png"}}},
            "interface": interface({}, {"n": "look.number"}),
        }
    },
).replace(b"shelltest.graph:", b"graph:")
PICKY = document({"n": ("Picky", {})}, interface=interface({}, {"x": "n.number"}))
BROKEN_NODE = document({"n": ("Broken", {})}, interface=interface({}, {"x": "n.text"}))


def png(color: int) -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0)
    return SIGNATURE + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes([0, color]))) + chunk(b"IEND", b"")


@dataclass(frozen=True)
class Case:
    """One way to call ``nodeflow run``, and the files around it."""

    name: str
    data: bytes
    words: tuple[str, ...] = ()
    files: Mapping[str, bytes] = field(default_factory=dict)
    code: int = 0

    @property
    def id(self) -> str:
        return self.name


CASES = (
    Case("files and values", JOINED),
    Case("the report", JOINED, ("--json",)),
    Case("values that are set", JOINED, ("--set", "join.text=123", "--input", "steps=2", "--json")),
    Case("a target", JOINED, ("--target", "count", "--json")),
    Case("one result on standard output", JOINED, ("--stdout", "answer")),
    Case("no such result", JOINED, ("--stdout", "nothing"), code=2),
    Case("too many files for standard output", PAINT, ("--stdout", "pictures"), code=2),
    Case("a picture on standard output", ONE, ("--stdout", "picture")),
    Case("pictures", PAINT),
    Case("pictures without metadata", PAINT, ("--no-metadata",)),
    Case("a node that saves", SAVING, ("--json",)),
    Case("another folder", SAVING, ("--output-dir", "else/where")),
    Case("a folder below a file", SAVING, ("--output-dir", "in.txt/out", "--json"), {"in.txt": b""}, code=2),
    Case("draws", DRAWN, ("--json",)),
    Case("a warning", WARNER, ("--json",)),
    Case("a warning that is an error", WARNER, ("--strict", "--json", "--set", "w.text=never seen"), code=5),
    Case("a warning about the document", document({}), ("--json",)),
    Case("such a warning that is an error", document({}), ("--strict", "--json"), code=3),
    Case("a picture that is shown", SHOWING, ("--json",)),
    Case("a fault of the user", PICKY, ("--json",), code=5),
    Case("a fault of the node", BROKEN_NODE, (), code=5),
    Case("a failure beside a result", HALF, ("--json",), code=5),
    Case("a file beside the document", LOOK, ("--json",), {"a.png": png(1)}),
    Case("a file of the same name", LOOK, ("--json",), {"a.png": png(2) + b"more"}),
    Case("a file in a folder", LOOK, ("--input-dir", "in", "--json"), {"in/a.png": png(3) + b"..", "a.png": png(4)}),
    Case("a file as a value", LOOK, ("--input", "picture=@x/b.png", "--json"), {"x/b.png": png(5) + b"."}),
    Case("a folder of files", FOLDER, ("--json",), {"in/a.png": png(6), "in/b.png": png(7)}),
    Case("a file in a sub-graph", INSIDE, ("--json",), {"a.png": png(8) + b"...."}),
    Case("a file that is not there", LOOK, ("--input", "picture=@x/b.png", "--json"), code=4),
    Case("a text from a file", JOINED, ("--input", "prompt=@p.txt"), {"p.txt": b"from a file"}),
    Case("inputs from a file", JOINED, ("--inputs", "i.json"), {"i.json": b'{"prompt": "from json", "steps": 2}'}),
    Case("an input that is none", JOINED, ("--input", "promt=1", "--json"), code=3),
    Case("external nodes asked again", JOINED, ("--refresh", "all")),
    Case("no such target", JOINED, ("--target", "counter"), code=3),
)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_run_there_is_a_run_here(
    case: Case, shell: Shell, server: LiveServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    said = [
        run_in(place, case, shell, monkeypatch, *more)
        for place, more in ((here, ()), (there, ("--server", server.url)))
    ]
    assert [each.code for each in said] == [case.code] * 2, said
    assert settled(said[1].err.replace(str(there), str(here))) == settled(said[0].err)
    if "--json" in case.words:
        assert compared(said[1].report) == compared(said[0].report)
    else:
        assert said[1].out == said[0].out
    assert tree(there) == tree(here)


@pytest.mark.parametrize(("data", "code"), [row[1:3] for row in BROKEN], ids=[row[0] for row in BROKEN])
def test_what_is_wrong_with_a_document_is_told_alike(shell: Shell, server: LiveServer, data: bytes, code: int) -> None:
    here, there = (shell("run", "-", *more, stdin=data) for more in ((), ("--server", server.url)))
    assert there.code == here.code == code
    assert there.out == here.out == ""
    assert without_places(there.err) == without_places(here.err)


def test_pictures_that_were_fetched_carry_what_made_them(shell: Shell, server: LiveServer, place: Path) -> None:
    shell("run", "-", "--server", server.url, stdin=ONE)
    texts = read_texts((place / "output/picture_00001.png").read_bytes())
    assert json.loads(texts[CHUNK])["nodes"]["p"]["inputs"]["seed"] == 3
    assert RECORD_CHUNK in texts
    assert shell("reproduce", "output/picture_00001.png").code == 0


def test_a_picture_is_a_workflow_there_too(shell: Shell, server: LiveServer, place: Path) -> None:
    shell("run", "-", stdin=PAINT)
    said = shell("run", "output/pictures_00002.png", "--output-dir", "again", "--server", server.url)
    assert said.out == "again/pictures_00001.png\nagain/pictures_00002.png\n"
    assert tree(place / "again") == tree(place / "output")


def test_a_second_run_leaves_files_that_are_the_same(shell: Shell, server: LiveServer, place: Path) -> None:
    for _ in range(2):
        said = shell("run", "-", "--server", server.url, stdin=SAVING)
        assert said.out == "output/sub/kept_00001.txt\nanswer: a 0\n"
    assert "write: output/sub/kept_00001.txt is unchanged" in said.err
    (place / "output/sub/kept_00001.txt").write_text("mine")
    assert shell("run", "-", "--server", server.url, stdin=SAVING).out.startswith("output/sub/kept_00002.txt\n")
    assert (place / "output/sub/kept_00001.txt").read_text() == "mine"


SPEAKING = document(
    {
        "first": ("Write", {"text": "x", "prefix": "first"}),
        "w": ("Warner", {"text": "before"}),
        "c": ("Count", {"steps": 1000, "seconds": 0.05, "seed": 5}),
        "warned": ("Write", {"text": "@w.text", "prefix": "warned"}),
        "j": ("Join", {"text": "end", "number": "@c.number"}),
        "last": ("Write", {"text": "@j.text", "prefix": "last"}),
    }
)
STOPPING = "stopping after this step; once more to stop at once\n"


def speaking(place: Path, server: LiveServer, *words: str) -> Child:
    """A run that goes on for long and has said something."""
    (place / "slow.json").write_bytes(SPEAKING)
    child = Child(place, "run", "slow.json", "--server", server.url, *words)
    assert child.process.stderr is not None
    assert child.process.stderr.readline() == "warning: w: the prompt was cut\n"
    return child


def test_ctrl_c_stops_the_job_within_a_step(server: LiveServer, shell: Shell, place: Path) -> None:
    child = speaking(place, server, "--json")
    wait_for_step(shell, server)
    started = time.monotonic()
    child.process.send_signal(signal.SIGINT)
    code, out, err = child.end()
    assert code == 130, err
    assert time.monotonic() - started < 10
    assert json.loads(out)["status"] == "cancelled"
    assert "Traceback" not in err
    assert STOPPING in err
    assert err.endswith("interrupted\n")
    files = files_in(place / "output")
    assert "first_00001.txt" in files, "what was finished is kept, as it is here"
    assert "last_00001.txt" not in files
    assert newest(shell, server)["state"] == "cancelled"


def test_a_second_ctrl_c_does_not_wait(server: LiveServer, place: Path) -> None:
    child = speaking(place, server, "--set", "c.seconds=3", "--set", "w.text=twice")
    child.process.send_signal(signal.SIGINT)
    assert child.process.stderr is not None
    while (line := child.process.stderr.readline()) != STOPPING:
        assert line, "it ended"
    child.process.send_signal(signal.SIGINT)
    code, _, err = child.end()
    assert code == 130
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("words", "way_out"),
    [
        (("--device", "cpu"), "--device"),
        (("--dtype", "fp32"), "--dtype"),
        (("--models-dir", "models"), "--models-dir"),
        (("--no-cache",), "--no-cache"),
        (("--dev",), "--dev"),
    ],
)
def test_what_is_the_operators_to_decide_is_refused(
    shell: Shell, server: LiveServer, words: tuple[str, ...], way_out: str
) -> None:
    said = shell("run", "-", *words, "--server", server.url, stdin=JOINED)
    assert said.code == 2
    assert f"{way_out} cannot be given with --server" in said.err


def test_model_files_are_not_sent(shell: Shell, server: LiveServer, place: Path) -> None:
    (place / "m.safetensors").write_bytes(b"12345678")
    data = document({"n": ("Length", {"file": "x"})}, interface=interface({"model": "n.file"}, {"n": "n.number"}))
    said = shell("run", "-", "--input", "model=@m.safetensors", "--server", server.url, stdin=data)
    assert said.code == 2
    assert "model files are not sent to a server; put it into the folder checkpoints" in said.err


def test_a_job_that_was_lost_ends_as_a_failure_with_the_reason() -> None:
    error = JobError(code="worker_lost", message="the worker was lost 2 times", hint="look at the log")
    lost = report_of_job(JobReport(job="0" * 26, state=JobState.FAILED, error=error))
    assert (lost.status, lost.exit_code) == ("failed", 5)
    assert lost.error == "the worker was lost 2 times → look at the log [worker_lost]"
    never_ran = report_of_job(JobReport(job="0" * 26, state=JobState.CANCELLED))
    assert (never_ran.status, never_ran.exit_code, never_ran.error) == ("cancelled", 130, None)


def test_nobody_there_has_an_exit_code_of_its_own(shell: Shell) -> None:
    said = shell("run", "-", "--json", "--server", "127.0.0.1:9", stdin=JOINED)
    assert said.code == 8
    assert "no server answers at http://127.0.0.1:9 (as asked for): start one with `nodeflow serve`" in said.err
    assert said.report["exit_code"] == 8


def run_in(place: Path, case: Case, shell: Shell, monkeypatch: pytest.MonkeyPatch, *more: str) -> Said:
    place.mkdir()
    for name, data in {"doc.json": case.data, **case.files}.items():
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_bytes(data)
    monkeypatch.chdir(place)
    return shell("run", "doc.json", *case.words, *more)


def settled(text: str) -> list[str]:
    """What was said, without times; a server tells of files at the end, when they are fetched."""
    return sorted(line for line in re.sub(r"\d+\.\d s", "… s", text).splitlines() if " steps in " not in line)


def without_places(text: str) -> str:
    """What was said, without the folders in which an input is looked for: these are the server's own."""
    return re.sub(r"put it into .* \[", "put it into … [", settled_text(text))


def settled_text(text: str) -> str:
    return "\n".join(settled(text))


def compared(report: dict[str, Any]) -> dict[str, Any]:
    """A report without times, and without what is due to results that are remembered."""
    nodes = {
        name: {"status": re.sub("hit-.*", "ran", node["status"]), "reason": node["reason"]}
        for name, node in report["nodes"].items()
    }
    return {**report, "nodes": nodes, "error": re.sub(r"/here/|/there/", "/", report["error"] or "")}


def tree(place: Path) -> Mapping[str, bytes]:
    """All visible files; of pictures what is left without document and record, in which places are."""
    found = (path for path in sorted(place.rglob("*")) if path.is_file() and not path.name.startswith("."))
    return {str(path.relative_to(place)): without_texts(path.read_bytes(), (CHUNK, RECORD_CHUNK)) for path in found}


def newest(shell: Shell, server: LiveServer) -> dict[str, Any]:
    jobs = shell("jobs", "--json", "--limit", "1", "--server", server.url).report["jobs"]
    return jobs[0] if jobs else {"state": ""}


def wait_for_step(shell: Shell, server: LiveServer) -> None:
    deadline = time.monotonic() + 50
    while not newest(shell, server).get("step"):
        assert time.monotonic() < deadline
        time.sleep(0.05)
