"""The world outside in the shell: answers that are remembered, secrets, patience, results that are held back."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Shell


def document(place: Path, type: str, output: str, **inputs: Any) -> Path:
    nodes = {"n": {"type": type, "version": 1, "inputs": inputs}}
    tree = {"nodeflow": 1, "nodes": nodes, "interface": {"outputs": {"answer": {"from": f"n.{output}"}}}}
    file = place / "document.json"
    file.write_text(json.dumps(tree))
    return file


def answer(shell: Shell, *words: object) -> str:
    said = shell("run", *words, "--json")
    assert said.code == 0, said.err
    found = said.report["outputs"]["answer"]["value"]
    assert isinstance(found, str)
    return found


def test_an_answer_is_remembered_until_it_is_refreshed(shell: Shell, place: Path) -> None:
    file = document(place, "shelltest.Ask", "text", what="weather")
    first = answer(shell, file)
    assert answer(shell, file) == first
    assert "hit-disk" in shell("explain", file).out
    assert "remembered for another 60 min" in shell("explain", file).out
    assert "it is to be refreshed" in shell("explain", file, "--refresh", "n").out
    second = answer(shell, file, "--refresh", "n")
    assert second != first
    assert answer(shell, file) == second
    assert answer(shell, file, "--refresh", "all") != second


def test_refreshing_what_is_not_external_is_a_usage_error(shell: Shell, place: Path) -> None:
    file = document(place, "shelltest.Join", "text", text="a")
    said = shell("run", file, "--refresh", "n")
    assert said.code == 2
    assert 'refresh: shelltest.Join "n" is not external' in said.err
    assert shell("run", file, "--refresh", "m").code == 2


def test_waiting_is_told(shell: Shell, place: Path) -> None:
    file = document(place, "shelltest.Ask", "text", what="news", times=2)
    said = shell("run", file)
    assert said.code == 0
    assert "n: waits 0.01 s to be called again: busy, try 1" in said.err
    assert "busy, try 2" in said.err


def test_a_secret_is_masked_in_everything_that_is_said(
    shell: Shell, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = document(place, "shelltest.Refused", "text", key="SHELL_KEY")
    said = shell("run", file)
    assert said.code == 4
    assert "set the environment variable NODEFLOW_SECRET_SHELL_KEY" in said.err
    monkeypatch.setenv("NODEFLOW_SECRET_SHELL_KEY", "hunter 22")
    for words in (("run", file), ("run", file, "--json")):
        said = shell(*words)
        assert said.code == 5
        assert "https://example.org/?key=***" in said.out + said.err
        assert "hunter" not in said.out + said.err


def test_a_result_that_is_held_back_is_told_with_the_reason(shell: Shell, place: Path) -> None:
    nodes = {
        "n": {"type": "shelltest.Join", "version": 1, "inputs": {"text": "a"}},
        "gate": {
            "type": "Gate",
            "version": 1,
            "inputs": {"open": False, "reason": "not today", "value": {"link": "n.text"}},
        },
        "save": {"type": "shelltest.Write", "version": 1, "inputs": {"text": {"link": "gate.out"}}},
    }
    tree = {"nodeflow": 1, "nodes": nodes, "interface": {"outputs": {"answer": {"from": "gate.out"}}}}
    (place / "gate.json").write_text(json.dumps(tree))
    said = shell("run", "gate.json", "--json")
    assert said.code == 0
    assert said.report["outputs"] == {}
    assert said.report["withheld"] == {"answer": "not today"}
    assert said.report["nodes"]["save"] == {"status": "skipped", "seconds": 0.0, "reason": "not today"}
    assert "held back: answer: not today" in shell("run", "gate.json").err


def test_in_development_a_node_that_changes_its_input_fails(shell: Shell, place: Path) -> None:
    file = document(place, "shelltest.Spoil", "number", numbers=[1])
    assert shell("run", file).code == 0
    said = shell("run", file, "--dev", "--no-cache")
    assert said.code == 5
    assert 'shelltest.Spoil "n" · numbers: changed by the node (it has other items now); make a copy' in said.err
