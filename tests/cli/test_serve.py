"""``nodeflow serve``: how it starts, what it refuses, how it ends."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from urllib.request import urlopen

import pytest

from nodeflow.client import Client
from tests.cli.conftest import Shell, document, interface
from tests.cli.liveserver import PROGRAM, LiveServer

JOIN = document({"j": ("Join", {"text": "warm"})}, interface=interface({}, {"answer": "j.text"}))


def refused(home: Path, *words: str) -> str:
    """What a server says that does not start."""
    command = [sys.executable, "-c", PROGRAM, "serve", "--port", "0", *words]
    env = {**os.environ, "NODEFLOW_HOME": str(home)}
    running = home / "server.url"
    there = running.read_text() if running.exists() else None
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2, done
    assert "Traceback" not in done.stderr
    assert "http://" not in done.stdout
    assert (running.read_text() if running.exists() else None) == there
    return done.stderr.strip().splitlines()[-1]


def test_the_port_answers_before_the_rest_is_there_and_the_end_is_orderly(tmp_path: Path) -> None:
    server = LiveServer(tmp_path, tmp_path / "log.txt")
    with urlopen(f"{server.url}/healthz", timeout=5) as answer:
        assert answer.status == 200
    assert server.stop() == 0


def test_a_server_loads_neither_torch_nor_what_computes(tmp_path: Path) -> None:
    code = "import sys, nodeflow.cli.serve, nodeflow.server.app, nodeflow.server.assembly; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"torch", "numpy", "PIL", "nodeflow.session.session"}.intersection(done.stdout.split())


def test_ctrl_c_ends_it_while_a_job_runs_and_the_job_waits_for_the_next_start(home: Path, tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home/packs").symlink_to(home / "packs")
    server = LiveServer(tmp_path / "home", tmp_path / "log.txt")
    server.wait_until_ready()
    token = (tmp_path / "home/server.token").read_text().strip()
    with Client(server.url, token) as client:
        slow = {"c": ("Count", {"steps": 1000, "seconds": 0.02})}
        job = client.submit(json.loads(document(slow, interface=interface({}, {"n": "c.number"})))).id
        while not client.info(job).step:
            time.sleep(0.05)
    assert server.stop(signal.SIGINT) == 0
    again = LiveServer(tmp_path / "home", tmp_path / "log.txt", "--start-paused")
    try:
        with Client(again.url, token) as client:
            info = client.info(job)
            assert info.state == "queued"
            assert [attempt.ending for attempt in info.attempts] == ["interrupted"]
    finally:
        assert again.stop() == 0


def test_others_are_kept_out_until_there_is_a_token(
    tmp_path: Path, shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = refused(tmp_path, "--host", "0.0.0.0")
    assert "nodeflow token create" in said
    monkeypatch.setenv("NODEFLOW_HOME", str(tmp_path))
    assert shell("token", "create", "ann").code == 0
    server = LiveServer(tmp_path, tmp_path / "log.txt", "--host", "0.0.0.0")
    assert server.stop() == 0


def test_a_second_server_of_the_same_home_is_refused(tmp_path: Path) -> None:
    server = LiveServer(tmp_path, tmp_path / "log.txt")
    try:
        server.wait_until_ready()
        assert "in use by another nodeflow server" in refused(tmp_path)
    finally:
        assert server.stop() == 0


def test_a_client_finds_the_server_of_its_home_at_whatever_port_and_one_that_is_gone_is_told(
    tmp_path: Path, shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NODEFLOW_HOME", str(tmp_path))
    server = LiveServer(tmp_path, tmp_path / "log.txt")
    assert (tmp_path / "server.url").read_text() == f"{server.url}\n"
    assert shell("jobs", "queue").out.startswith("open: 0 running")
    server.kill()
    assert f"no server answers at {server.url} (from {tmp_path / 'server.url'}): start one" in shell("jobs").err
    again = LiveServer(tmp_path, tmp_path / "log.txt")
    assert shell("jobs", "queue").code == 0
    assert again.stop() == 0
    assert not (tmp_path / "server.url").exists()


def test_a_port_that_is_taken_is_told(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        said = refused(tmp_path, "--port", str(taken.getsockname()[1]))
    assert "something listens there already; choose another with --port" in said


@pytest.mark.parametrize(
    ("config", "words", "message"),
    [
        ("", ("--workers", "tpu"), "expected a device such as cpu, cuda:0, cpu*2 or auto"),
        ("", ("--port", "99999"), "server.port"),
        ("", ("--attempts", "none"), "server.attempts"),
        ("[server]\nprot = 1", (), "server.prot"),
    ],
)
def test_a_setting_that_makes_no_sense_is_named(
    tmp_path: Path, config: str, words: tuple[str, ...], message: str
) -> None:
    (tmp_path / "config.toml").write_text(config)
    assert message in refused(tmp_path, *words)


def test_a_workflow_is_computed_before_anybody_asks_for_it(home: Path, tmp_path: Path) -> None:
    (tmp_path / "warm.json").write_bytes(JOIN)
    (tmp_path / "home").mkdir()
    (tmp_path / "home/packs").symlink_to(home / "packs")
    server = LiveServer(tmp_path / "home", tmp_path / "log.txt", "--prewarm", str(tmp_path / "warm.json"))
    server.wait_until_ready()
    assert server.stop() == 0
    assert "cannot run" not in (tmp_path / "log.txt").read_text()


def test_every_setting_that_is_an_option_has_a_help_line(shell: Shell) -> None:
    said = shell("serve", "--help")
    assert said.code == 0
    for option in ("--host", "--port", "--workers", "--name", "--origin", "--require-token", "--published-only"):
        assert option in said.out
    assert "config.toml" in said.out


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ("[server]\nprot = 8189", 'server.prot: there is no such setting → did you mean "port"?'),
        ("[server.limits]\nqeue = 5", 'server.limits.qeue: there is no such setting → did you mean "queue"?'),
        ('[server]\nport = "high"', "server.port: .* found 'high'"),
    ],
)
def test_a_setting_that_is_none_is_told_with_the_one_that_was_meant(
    shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, table: str, said: str
) -> None:
    (tmp_path / "config.toml").write_text(table)
    monkeypatch.setenv("NODEFLOW_HOME", str(tmp_path))
    answer = shell("serve")
    assert answer.code == 2
    assert re.search(said.replace("?", r"\?"), answer.err)


def test_help_speaks_of_http_and_of_roles_as_they_are_written(shell: Shell) -> None:
    assert "Take jobs over HTTP" in shell("serve", "--help").out
    wrong = shell("token", "create", "x", "--role", "god").err
    assert "admin" in wrong
    assert "Role." not in wrong
