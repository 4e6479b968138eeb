"""A worker carries jobs out, tells of them, and ends in one way only."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from nodeflow.protocol.work import Answer, Beat, Cancel, Done, Explain, Preview, Prewarm, Sheet, SheetPoint, Stop, Warm
from tests.worker.conftest import Driven

WORKFLOW = Path(__file__).parents[2] / "workflows" / "txt2img.json"
Hire = Callable[..., Driven]


def node(type: str, **inputs: Any) -> dict[str, Any]:
    """A document of one node, whose id is "it" and whose result is "result"."""
    return {"nodeflow": 1, "nodes": {"it": {"type": type, "version": 1, "inputs": inputs}}}


def picture(steps: int = 2, seed: int = 1) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(WORKFLOW.read_text())
    document["nodes"]["sample"]["inputs"] |= {"steps": steps, "seed": seed}
    document["nodes"]["empty"]["inputs"] |= {"width": 64, "height": 64}
    return document


def test_a_picture_is_made_told_of_and_recorded(shared: Driven, tmp_path: Path) -> None:
    done, events = shared.run(picture(), output_dir=str(tmp_path))
    assert (done.report.status, done.report.exit_code) == ("ok", 0)
    assert done.report.outputs["picture"].paths == ["txt2img_00001.png"]
    (file,) = done.files
    assert (file.path, file.media_type) == ("txt2img_00001.png", "image/png")
    data = (tmp_path / file.path).read_bytes()
    assert file.bytes == len(data)
    assert b"nodeflow.run" in data
    kinds = [event.kind for event in events]
    assert kinds[0] == "plan"
    assert [event.data["step"] for event in events if event.kind == "node.progress"][-1] == 2
    (saved,) = [event.data for event in events if event.kind == "saved"]
    assert saved == {"node": "save", "path": "txt2img_00001.png", "unchanged": False}
    assert done.models == ("checkpoints/emoji-tiny.safetensors",)
    assert shared.until(Beat).memory > 0


def test_jobs_share_what_was_computed_but_not_their_places(shared: Driven, tmp_path: Path) -> None:
    for name in ("ann", "bo"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "me.png").write_bytes(b"x" * len(name))
    first, _ = shared.run(picture(seed=7), output_dir=str(tmp_path / "ann"))
    second, _ = shared.run(picture(seed=7), output_dir=str(tmp_path / "bo"), embed=False)
    assert first.report.nodes["sample"].status == "ran"
    assert second.report.nodes["decode"].status == "hit-memory"
    plain = (tmp_path / "bo" / second.files[0].path).read_bytes()
    assert b"nodeflow.run" not in plain
    assert b"nodeflow.run" in (tmp_path / "ann" / first.files[0].path).read_bytes()
    for name, length in (("ann", 3), ("bo", 2)):
        done, _ = shared.run(
            node("trouble.Look", file="me.png"),
            targets=("it.number",),
            input_dirs=(str(tmp_path / name),),
            output_dir=str(tmp_path / name),
        )
        assert done.report.outputs["it.number"].value == length
    done, _ = shared.run(node("trouble.Look", file="me.png"), output_dir=str(tmp_path))
    assert done.report.status == "invalid"
    assert done.report.problems[0].code == "file.missing"


def test_steps_are_told_ten_times_a_second_and_the_last_one_always(shared: Driven, tmp_path: Path) -> None:
    started = time.monotonic()
    _, events = shared.run(node("trouble.Count", steps=200, seconds=0.003), output_dir=str(tmp_path))
    seconds = time.monotonic() - started
    steps = [event.data["step"] for event in events if event.kind == "node.progress"]
    assert steps[-1] == 200
    assert steps == sorted(steps)
    assert 3 <= len(steps) <= 10 * seconds + 2
    assert [event.kind for event in events][-2:] == ["node.progress", "node.finished"]


def test_previews_are_small_jpegs_and_come_when_asked_for(shared: Driven, tmp_path: Path) -> None:
    pictures: list[tuple[Preview, bytes]] = []

    def hear(message: Any, body: bytes) -> None:
        if isinstance(message, Preview):
            pictures.append((message, body))

    for previews in (False, True):
        assert not pictures
        shared.begin(picture(seed=20 + previews), output_dir=str(tmp_path), previews=previews)
        shared.until(Done, hear)
    head, body = pictures[-1]
    assert (head.node, head.total, head.media_type) == ("sample", 2, "image/jpeg")
    assert body.startswith(b"\xff\xd8")
    assert len(body) < 20_000


def test_cancelling_stops_within_a_step_and_the_next_job_runs(shared: Driven, tmp_path: Path) -> None:
    job = shared.begin(node("trouble.Count", steps=10_000, seconds=0.01), output_dir=str(tmp_path))
    shared.at("it")
    shared.send(Cancel(job="another"))
    shared.cancel(job)
    started = time.monotonic()
    done = shared.until(Done)
    assert (done.job, done.report.status) == (job, "cancelled")
    assert time.monotonic() - started < 2
    done, _ = shared.run(node("trouble.Count"), output_dir=str(tmp_path))
    assert done.report.status == "ok"


def test_a_job_that_is_cancelled_before_it_begins_does_not_begin(shared: Driven, tmp_path: Path) -> None:
    for _ in range(20):
        job = shared.begin(node("trouble.Count", steps=10_000, seconds=0.01), output_dir=str(tmp_path))
        shared.cancel(job)
        assert shared.until(Done).report.status == "cancelled"
    assert not any(tmp_path.iterdir())


def test_what_fails_is_in_the_report_and_the_worker_goes_on(shared: Driven, tmp_path: Path) -> None:
    def report(document: Any, **options: Any) -> Any:
        return shared.run(document, output_dir=str(tmp_path), **options)[0].report

    greedy = report(node("trouble.Greedy"))
    assert (greedy.status, greedy.exit_code) == ("failed", 6)
    assert "trouble.Greedy" in greedy.failures[0].type
    broken = report(node("Number", valu=1))
    assert (broken.status, broken.exit_code, broken.problems[0].input) == ("invalid", 3, "valu")
    assert report(b"{").status == "invalid"
    unwritable = report(node("Number", value=1), targets=("nobody",))
    assert unwritable.status == "invalid"
    assert report(node("Number", value=1)).status == "ok"


def test_a_node_that_warns_without_end_is_told_of_a_thousand_times(shared: Driven, tmp_path: Path) -> None:
    done, events = shared.run(node("trouble.Warner", times=1500), targets=("it",), output_dir=str(tmp_path))
    assert done.report.status == "ok"
    told = [event.data["message"] for event in events if event.kind == "warning"]
    assert told == [each.message for each in done.report.warnings]
    assert told[:1000] == [f"warning {number}" for number in range(1000)]
    assert told[1000:] == ["more than 1,000 events of the kind 'warning' in one run; the rest of them is not told"]


def test_a_call_outside_has_the_same_token_in_every_attempt(shared: Driven, tmp_path: Path) -> None:
    tokens = [
        shared.run(node("trouble.Token"), job=job, attempt=attempt, targets=("it.text",), output_dir=str(tmp_path))[0]
        .report.outputs["it.text"]
        .value
        for job, attempt in (("a", 1), ("a", 2), ("b", 1))
    ]
    assert tokens[0] == tokens[1] != tokens[2]


def test_questions_are_answered_during_a_job(shared: Driven, tmp_path: Path) -> None:
    job = shared.begin(node("trouble.Count", steps=10_000, seconds=0.01), output_dir=str(tmp_path))
    shared.at("it")
    shared.send(Explain(ask="1", output_dir=str(tmp_path)), json.dumps(node("trouble.Count", steps=5)).encode())
    answer = shared.until(Answer)
    assert answer.ask == "1"
    assert answer.value["nodes"][0]["state"] == "run"
    shared.send(Explain(ask="2", output_dir=str(tmp_path)), b"{")
    assert shared.until(Answer).error
    shared.cancel(job)
    shared.until(Done)


def test_a_contact_sheet_shows_the_pictures_of_a_sweep(shared: Driven, tmp_path: Path) -> None:
    seeds = (31, 32)
    files = [shared.run(picture(seed=seed), output_dir=str(tmp_path))[0].files[0].path for seed in seeds]
    points = tuple(
        SheetPoint(place=(place,), outputs={"picture": (file,)}, files=(file,)) for place, file in enumerate(files)
    )
    steps = tuple({"seed": seed} for seed in seeds)
    shared.send(Sheet(ask="s", axes=(steps,), points=points, stem="sweep", output_dir=str(tmp_path)))
    answer = shared.until(Answer)
    assert not answer.error
    assert [file["path"] for file in answer.value] == ["sweep_picture_00001.png"]
    assert (tmp_path / "sweep_picture_00001.png").stat().st_size == answer.value[0]["bytes"]


def test_a_worker_takes_jobs_when_what_takes_seconds_is_imported(hired: Hire) -> None:
    cold, warm = hired(), hired(cold=False)
    for worker in (cold, warm):
        worker.ready()
        worker.until(Warm)
    of_cold, of_warm = (psutil.Process(worker.process.pid).memory_info().rss for worker in (cold, warm))
    assert of_warm > of_cold + 50 * 2**20, "torch alone is more than that"


def test_a_warm_worker_has_computed_all_but_what_writes_or_asks(hired: Hire, home: Path, tmp_path: Path) -> None:
    worker = hired()
    worker.ready()
    document = picture(seed=41)
    document["nodes"]["call"] = {"type": "trouble.Token", "version": 1, "inputs": {"dies": str(tmp_path / "called")}}
    worker.send(Prewarm(ask="p", output_dir=str(tmp_path / "out")), json.dumps(document).encode())
    answer = worker.until(Answer)
    assert answer.value == ["checkpoints/emoji-tiny.safetensors"]
    assert not list(tmp_path.iterdir())
    del document["nodes"]["call"]
    document["nodes"]["sample"]["inputs"]["seed"] = 42
    nodes = worker.run(document, output_dir=str(tmp_path))[0].report.nodes
    assert [nodes[name].status for name in ("base", "positive", "sample")] == ["hit-memory", "hit-memory", "ran"]
    worker.send(Stop())
    assert worker.ended()[0] == 0


def test_an_idle_worker_lets_go_of_its_memory(hired: Hire, tmp_path: Path) -> None:
    worker = hired("--device=cpu", "--idle-release=0.3")
    worker.ready()
    done, _ = worker.run(picture(seed=51), output_dir=str(tmp_path))
    assert done.models
    assert worker.beat(lambda beat: beat.memory == 0).models == ()
    assert worker.run(picture(seed=2), output_dir=str(tmp_path))[0].report.status == "ok"


@pytest.mark.parametrize(
    ("document", "code", "printed"),
    [
        (node("trouble.Segfault"), -signal.SIGSEGV, "about to crash"),
        (node("trouble.Exit", code=5), 5, ""),
        (node("trouble.Killed"), -signal.SIGKILL, ""),
    ],
)
def test_a_node_that_crashes_takes_its_worker_with_it(
    hired: Hire, document: Any, code: int, printed: str, tmp_path: Path
) -> None:
    worker = hired()
    worker.begin(document, output_dir=str(tmp_path))
    ended, output = worker.ended()
    assert ended == code
    assert printed in output
    assert ("Segmentation fault" in output) == (code == -signal.SIGSEGV)  # with the Python stack


def test_a_worker_ends_with_its_server_in_the_middle_of_a_node(hired: Hire, tmp_path: Path) -> None:
    worker = hired()
    worker.begin(node("trouble.Hang"), output_dir=str(tmp_path))
    worker.at("it")
    worker.hang_up()
    assert worker.ended()[0] == 3


def test_a_worker_whose_server_was_killed_is_gone(home: Path, tmp_path: Path) -> None:
    script = f"""
import os, socket, subprocess, sys, time
ours, theirs = socket.socketpair()
options = [f"--fd={{theirs.fileno()}}", f"--server={{os.getpid()}}", "--home={home}", "--device=cpu", "--cold"]
command = [sys.executable, "-m", "nodeflow.worker", *options]
process = subprocess.Popen(command, pass_fds=[theirs.fileno(), ours.fileno()])
print(process.pid, flush=True)
ours.recv(4)
print("ready", flush=True)
time.sleep(60)
"""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    server = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, env=environment)
    assert server.stdout is not None
    pid = int(server.stdout.readline())
    assert server.stdout.readline() == b"ready\n"
    server.kill()  # the worker holds both ends of the stream, so that it reads no end of it
    server.communicate()
    deadline = time.monotonic() + 10
    while Path(f"/proc/{pid}/cmdline").exists() and Path(f"/proc/{pid}/cmdline").read_bytes():
        assert time.monotonic() < deadline, "it outlives its server"
        time.sleep(0.01)


def test_signals_for_the_server_are_not_for_its_workers(hired: Hire, tmp_path: Path) -> None:
    worker = hired()
    job = worker.begin(node("trouble.Count", steps=10_000, seconds=0.01), output_dir=str(tmp_path))
    worker.at("it")
    for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        worker.process.send_signal(each)
    worker.send(Stop())
    done = worker.until(Done)
    assert (done.job, done.report.status) == (job, "cancelled")
    assert worker.ended()[0] == 0


def test_a_worker_that_cannot_work_says_why(hired: Hire, home: Path) -> None:
    worker = hired("--device=cuda:9")
    assert "cuda:9" in worker.refused().message
    assert worker.ended()[0] == 2
