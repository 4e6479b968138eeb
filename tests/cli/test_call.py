"""Workflows published from the shell, and called by their own options."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.conftest import Shell, document, files_in
from tests.cli.liveserver import LiveServer, live_server

INTERFACE = {
    "inputs": {
        "prompt": {"to": ["join.text"], "title": "What to say"},
        "batch_size": {"to": ["paint.batch"]},
        "json": {"to": ["count.steps"]},
        "picture": {"to": ["look.file"]},
    },
    "outputs": {"answer": {"from": "join.text"}, "picture": {"from": "paint.image"}, "bytes": {"from": "look.number"}},
}
NODES = {
    "count": ("Count", {"steps": 4}),
    "join": ("Join", {"text": "100% hello", "number": "@count.number"}),
    "paint": ("Paint", {}),
    "look": ("Look", {"file": "here.png"}),
}


@pytest.fixture
def greeting(shell: Shell, server: LiveServer, home: Path, place: Path) -> Iterator[str]:
    (home / "input").mkdir()
    (home / "input" / "here.png").write_bytes(b"12345")
    (place / "greeting.json").write_bytes(document(NODES, interface=INTERFACE, meta={"title": "A greeting"}))
    said = shell("publish", "greeting.json", "--name", "greeting", "--server", server.url)
    assert said.code == 0, said
    yield said.out.strip()
    shutil.rmtree(home / "input")


def test_the_same_workflow_is_the_same_version_and_another_the_next(
    shell: Shell, server: LiveServer, greeting: str, place: Path
) -> None:
    assert greeting.startswith("greeting@")
    assert shell("publish", "greeting.json", "--name", "greeting", "--server", server.url).out.strip() == greeting
    (place / "other.json").write_bytes(
        document({"j": ("Join", {"text": "x"})}, interface={"inputs": {}, "outputs": {"a": {"from": "j.text"}}})
    )
    first = shell("publish", "other.json", "--name", "other", "--note", "first", "--server", server.url).out.strip()
    (place / "other.json").write_bytes(
        document({"j": ("Join", {"text": "y"})}, interface={"inputs": {}, "outputs": {"a": {"from": "j.text"}}})
    )
    second = shell("publish", "other.json", "--name", "other", "--server", server.url).out.strip()
    assert (first, second) == ("other@1", "other@2")
    assert shell("call", "--server", server.url, "other@1").out.endswith("a: x 0\n")
    assert shell("call", "--server", server.url, "other").out.endswith("a: y 0\n")


def test_options_stand_where_they_like(shell: Shell, server: LiveServer, greeting: str) -> None:
    said = shell("call", "--json", greeting, "--prompt", "hi", "--batch-size=2", "--server", server.url)
    assert said.report["outputs"]["answer"]["value"] == "hi 6"


def test_a_workflow_is_called_by_its_own_options(
    shell: Shell, server: LiveServer, greeting: str, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NODEFLOW_SERVER", server.url)
    said = shell("call", greeting, "--prompt", "hi", "--batch-size=2", "--input", "json=2")
    assert said.code == 0, said
    assert "answer: hi 1" in said.out
    assert "bytes: 5" in said.out
    assert files_in(place / "output") == [
        "answer_00001.txt",
        "bytes_00001.json",
        "picture_00001.png",
        "picture_00002.png",
    ]
    assert shell("call", greeting, "--batch_size", "1", "--json").report["outputs"]["answer"]["value"] == "100% hello 6"
    assert shell("call", greeting, "--stdout", "answer", "--prompt", "out").out == "out 6"


def test_a_file_is_sent_along(
    shell: Shell, server: LiveServer, greeting: str, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NODEFLOW_SERVER", server.url)
    (place / "mine.txt").write_text("read from a file")
    said = shell("call", greeting, "--prompt", "@mine.txt")
    assert "answer: read from a file 6" in said.out
    assert shell("call", greeting, "--prompt", "@none.txt").code == 4


def test_help_tells_what_a_workflow_takes(
    shell: Shell, server: LiveServer, greeting: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NODEFLOW_SERVER", server.url)
    said = shell("call", greeting, "--help")
    assert said.code == 0
    for part in ("A greeting", "--prompt STR", "What to say", "100% hello", "--batch_size INT", "--input json=VALUE"):
        assert part in said.out, said.out
    assert "NAME --help" in shell("call", "--help").out


def test_what_does_not_fit_is_told_as_for_a_run(
    shell: Shell, server: LiveServer, greeting: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NODEFLOW_SERVER", server.url)
    said = shell("call", greeting, "--batch-size", "many")
    assert said.code == 3
    assert "many" in said.err
    assert shell("call", greeting, "--promt", "x").code == 2
    assert shell("call", greeting, "--stdout", "nothing").code == 2
    assert shell("call", "nobody").code == 2
    said = shell("call", "nobody").err
    assert "workflow.unknown" in said
    assert "`nodeflow call` lists those that are; `nodeflow publish FILE --name NAME`" in said
    assert "GET /" not in said


def test_a_call_of_nothing_lists_what_can_be_called(shell: Shell, server: LiveServer, greeting: str) -> None:
    said = shell("call", "--server", server.url)
    assert (said.code, said.err) == (0, "")
    assert f"{greeting}  A greeting  (prompt, batch_size, json, picture)" in said.out.splitlines()
    assert "greeting" in [each["name"] for each in shell("call", "--json", "--server", server.url).report["workflows"]]


def test_where_nothing_is_published_the_list_says_how_to_begin(shell: Shell, tmp_path: Path) -> None:
    with live_server(tmp_path, tmp_path / "log.txt") as empty:
        said = shell("call", "--server", empty.url)
    assert (said.code, said.out) == (0, "")
    assert f"no workflow is published at {empty.url}: nodeflow publish FILE --name NAME" in said.err


def test_what_cannot_run_is_not_published(shell: Shell, server: LiveServer, place: Path) -> None:
    (place / "broken.json").write_bytes(document({"c": ("Count", {"steps": 0})}))
    said = shell("publish", "broken.json", "--name", "broken", "--server", server.url)
    assert said.code == 3
    assert "nearest is 1" in said.err
    assert shell("publish", "broken.json", "--name", "../x", "--server", server.url).code == 2
