"""Places inside rows, set and varied from the command line."""

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Shell


@pytest.fixture
def greeting(place: Path) -> Path:
    values = [{"name": "who", "content": "you"}, {"name": "count", "content": 1}]
    nodes = {"say": {"type": "FormatText", "version": 1, "inputs": {"template": "{who} {count}", "values": values}}}
    path = place / "flow.json"
    outputs = {"text": {"from": "say.text"}}
    path.write_text(json.dumps({"nodeflow": 1, "nodes": nodes, "interface": {"outputs": outputs}}))
    return path


def test_a_field_of_a_row_is_set(greeting: Path, shell: Shell) -> None:
    said = shell("run", greeting, "--stdout", "text", "--set", "say.values[0].content=all")
    assert (said.code, said.out.strip()) == (0, "all 1"), said.err


def test_a_field_of_a_row_is_varied(greeting: Path, shell: Shell, place: Path) -> None:
    said = shell("sweep", greeting, "--over", "say.values[0].content=a,b", "--output-dir", place / "out", "--json")
    assert said.code == 0, said.err
    assert [point["values"] for point in said.report["points"]] == [
        {"say.values[0].content": "a"},
        {"say.values[0].content": "b"},
    ]
    texts = [path.read_text() for path in sorted((place / "out").glob("*.txt"))]
    assert texts == ["a 1", "b 1"]


def test_a_place_that_is_not_there_is_told_before_anything_runs(greeting: Path, shell: Shell) -> None:
    said = shell("run", greeting, "--set", "say.values[2].content=all")
    assert said.code == 3
    assert 'there is no "say.values[2]" to set; expected say.values[0] … say.values[1]' in said.err
