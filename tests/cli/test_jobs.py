"""Jobs of a server from the shell: submitted, listed, watched, stopped, repeated, forgotten."""

import json
import signal
import time
from pathlib import Path

import pytest

from nodeflow.protocol.jobs import JobInfo, JobPage, QueueInfo
from tests.cli.conftest import Said, Shell, document, files_in, interface
from tests.cli.liveserver import LiveServer
from tests.cli.test_bad_inputs import Child

JOIN = document({"j": ("Join", {"text": "a"})}, interface=interface({"text": "j.text"}, {"answer": "j.text"}))
SLOW = document(
    {"c": ("Count", {"steps": 1000, "seconds": 0.02})}, interface=interface({"seed": "c.seed"}, {"n": "c.number"})
)
SPEAKING = document(
    {"w": ("Warner", {"text": "spoken"}), "c": ("Count", {"steps": 1000, "seconds": 0.02, "seed": 7})},
    interface=interface({}, {"text": "w.text", "n": "c.number"}),
)


class At:
    """The shell, always with the same server."""

    def __init__(self, shell: Shell, url: str) -> None:
        self._shell = shell
        self._url = url

    def __call__(self, command: str, *words: object, stdin: bytes = b"") -> Said:
        name, *rest = command.split()
        return self._shell(name, *rest, *words, "--server", self._url, stdin=stdin)

    def info(self, job: str) -> JobInfo:
        return JobInfo.model_validate_json(self("jobs show", job, "--json").out)

    def submit(self, data: bytes, *words: object) -> str:
        said = self("submit", "-", *words, stdin=data)
        assert said.code == 0, said
        assert said.err == ""
        return said.out.strip()

    def until(self, job: str, *states: str) -> JobInfo:
        deadline = time.monotonic() + 30
        while (info := self.info(job)).state not in states:
            assert time.monotonic() < deadline, info
            time.sleep(0.02)
        return info


@pytest.fixture
def at(shell: Shell, server: LiveServer) -> At:
    return At(shell, server.url)


def test_what_is_odd_about_a_job_is_told_when_it_is_submitted(at: At) -> None:
    tree = json.loads(JOIN)
    tree["nodes"]["away"] = {"type": "absent.Node", "version": 1, "mode": "mute"}
    said = at("submit", "-", stdin=json.dumps(tree).encode())
    assert (said.code, len(said.out.split())) == (0, 1)
    (line,) = said.err.splitlines()
    assert line.startswith("warning: away: ")
    assert line in at("jobs show", said.out.strip()).out.splitlines()


def test_a_job_is_submitted_and_watched_to_its_end(at: At, place: Path) -> None:
    job = at.submit(JOIN, "--input", "text=watched")
    said = at("watch", job)
    assert said.code == 0
    assert said.out == "output/answer_00001.txt\nanswer: watched 0\n"
    assert at("watch", job, "--json", "--output-dir", "again").report["outputs"]["answer"]["value"] == "watched 0"
    assert files_in(place / "again") == ["answer_00001.txt"]
    assert at("watch", job, "--stdout", "answer").out == "watched 0"


def test_a_watched_job_ends_the_shell_as_it_ended(at: At) -> None:
    broken = document({"n": ("Picky", {})}, interface=interface({}, {"x": "n.number"}))
    said = at("watch", at.submit(broken))
    assert said.code == 5
    assert "width: must be a multiple of 8; try 8" in said.err


def test_the_same_key_is_the_same_job(at: At) -> None:
    first = at.submit(JOIN, "--key", "once")
    assert at.submit(JOIN, "--key", "once") == first
    said = at("submit", "-", "--key", "once", "--set", "j.text=other", stdin=JOIN)
    assert said.code == 2
    assert "key.reused" in said.err


def test_jobs_are_listed_with_what_they_are_at(at: At) -> None:
    done = at.submit(JOIN)
    at.until(done, "succeeded")
    slow = at.submit(SLOW)
    at.until(slow, "running")
    waiting = at.submit(SLOW, "--input", "seed=1")
    lines = at("jobs", "--limit", "3").out.splitlines()
    assert [line.split()[:2] for line in lines[:3]] == [[waiting, "queued"], [slow, "running"], [done, "succeeded"]]
    assert "0 in front" in lines[0]
    page = JobPage.model_validate_json(at("jobs", "--json", "--state", "running,queued").out)
    assert [job.id for job in page.jobs] == [waiting, slow]
    assert f"{slow}" in at("jobs queue").out
    assert at("cancel", waiting, slow).out.splitlines() == [f"{waiting}: cancelled", f"{slow}: stops after this step"]
    at.until(slow, "cancelled")
    said = at("cancel", slow)
    assert said.code == 2
    assert "job.final" in said.err


def test_one_job_is_shown_with_its_nodes_and_its_error(at: At) -> None:
    broken = document(
        {"n": ("Picky", {}), "w": ("Warner", {"text": "told once"})},
        interface=interface({}, {"x": "n.number", "y": "w.text"}),
    )
    job = at.submit(broken)
    at.until(job, "failed")
    shown = at("jobs show", job).out
    for part in ("failed", "attempt 1 on cpu", "n: failed", "w: ran", "warning: w: the prompt was cut", "try 8"):
        assert part in shown, shown
    assert at.info(job).error is not None


def test_the_queue_is_paused_reordered_and_resumed(at: At) -> None:
    assert at("jobs pause").out.startswith("paused: 0 running")
    try:
        first, second, third = (at.submit(JOIN, "--input", f"text={number}") for number in range(3))
        assert [at.info(job).position for job in (first, second, third)] == [0, 1, 2]
        assert at("jobs move", third, "--before", first).out.startswith(third)
        assert at.info(third).position == 0
        assert at("jobs move", third, "--last").code == 0
        assert at.info(third).position == 2
        assert at("jobs move", second, "--priority", "5").code == 0
        assert at.info(second).position == 0
        assert at("jobs move", second, "--priority", "500").code == 2
        assert at("jobs move", second).code == 2
        assert at("jobs clear").out == "3 jobs cancelled\n"
    finally:
        assert at("jobs resume").out.startswith("open")
    assert QueueInfo.model_validate_json(at("jobs queue", "--json").out).paused is False


def test_the_queue_is_taken_elsewhere_and_back(at: At, place: Path) -> None:
    at("jobs pause")
    try:
        for number in range(2):
            at.submit(JOIN, "--input", f"text={number}")
        exported = at("jobs export").out
        (place / "queue.json").write_text(exported)
        assert at("jobs clear").out == "2 jobs cancelled\n"
        assert at("jobs import", "queue.json").out == "2 jobs queued\n"
        assert json.loads(at("jobs export").out) == json.loads(exported)
        at("jobs clear")
    finally:
        at("jobs resume")
    nothing = at("jobs import", "elsewhere.json")
    assert (nothing.code, nothing.err) == (2, "error: elsewhere.json: cannot be read: No such file or directory\n")
    wrong = at("jobs import", "-", stdin=b'{"jobs": [{}]}')
    assert wrong.code == 2
    assert "-: is no export of a queue: jobs.0.client: Field required" in wrong.err


def test_who_waits_is_told_why(at: At, server: LiveServer, place: Path) -> None:
    (place / "join.json").write_bytes(JOIN)
    at("jobs pause")
    try:
        first = Child(place, "run", "join.json", "--set", "j.text=first", "--server", server.url)
        assert first.process.stderr is not None
        assert first.process.stderr.readline() == "queued: the queue is paused; `nodeflow jobs resume` goes on\n"
    finally:
        at("jobs resume")
    assert first.end()[0] == 0
    slow = [at.submit(SLOW, "--input", f"seed={seed}") for seed in (90, 91)]
    second = Child(place, "run", "join.json", "--set", "j.text=second", "--server", server.url)
    assert second.process.stderr is not None
    assert second.process.stderr.readline() == "queued: 1 job in front\n"
    at("cancel", *slow)
    assert second.end()[0] == 0


def test_a_job_is_run_again_and_forgotten(at: At) -> None:
    job = at.submit(JOIN, "--input", "text=again")
    at.until(job, "succeeded")
    again = at("jobs retry", job).out.strip()
    assert again != job
    assert at.until(again, "succeeded").outputs["answer"][0].value == "again 0"
    assert at("jobs delete", job).code == 0
    said = at("jobs show", job)
    assert said.code == 2
    assert "job.unknown" in said.err


def test_ctrl_c_leaves_a_watched_job_alone(at: At, server: LiveServer, place: Path) -> None:
    job = at.submit(SPEAKING)
    at.until(job, "running")
    child = Child(place, "watch", job, "--server", server.url)
    assert child.process.stderr is not None
    assert child.process.stderr.readline() == "warning: w: the prompt was cut\n"
    child.process.send_signal(signal.SIGINT)
    code, _, err = child.end()
    assert code == 130
    assert f"the job goes on; `nodeflow cancel {job}` stops it" in err
    assert "Traceback" not in err
    assert at.info(job).state == "running"
    at("cancel", job)
    at.until(job, "cancelled")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("jobs", "--state", "done"), "expected one of queued, running"),
        (("submit", "-", "--priority", "1000"), "--priority"),
        (("submit", "-", "--deadline", "-1"), "--deadline"),
        (("jobs", "show", "../../etc"), "job.unknown"),
        (("watch", "0" * 26), "job.unknown"),
        (("jobs", "dance"), "invalid choice"),
    ],
)
def test_a_wrong_word_is_a_usage_error(shell: Shell, server: LiveServer, words: tuple[str, ...], message: str) -> None:
    said = shell(*words, "--server", server.url, stdin=JOIN)
    assert said.code == 2, said
    assert message in said.err


@pytest.mark.parametrize(
    "words",
    [
        ("submit", "-"),
        ("jobs",),
        ("jobs", "show", "x"),
        ("watch", "x"),
        ("cancel", "x"),
        ("call", "x"),
        ("token", "list"),
    ],
    ids=" ".join,
)
def test_every_command_says_how_to_get_a_server_when_there_is_none(shell: Shell, words: tuple[str, ...]) -> None:
    said = shell(*words, "--server", "127.0.0.1:9", stdin=JOIN)
    assert said.code == 8, said
    assert "start one with `nodeflow serve`, or name another with --server" in said.err


def test_the_server_may_be_named_by_the_environment(
    shell: Shell, server: LiveServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NODEFLOW_SERVER", server.url)
    assert json.loads(shell("jobs", "--json").out)["total"] >= 0
