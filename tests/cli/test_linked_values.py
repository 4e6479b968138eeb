"""What a computed value may not be is one line about the input that it was linked to, and the exit code of a node."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Shell


def document(place: Path, source: dict[str, Any], output: str, node: dict[str, Any], input: str) -> Path:
    node["inputs"][input] = {"link": f"calc.{output}"}
    nodes = {"calc": {"version": 1, **source}, "below": {"version": 1, **node}}
    path = place / "flow.json"
    outputs = {"result": {"from": "below.latent" if node["type"] == "EmptyLatent" else "below.out"}}
    path.write_text(json.dumps({"nodeflow": 1, "nodes": nodes, "interface": {"outputs": outputs}}))
    return path


@pytest.mark.parametrize(
    ("source", "output", "node", "input", "line"),
    [
        (
            {"type": "MathExpression", "inputs": {"expression": "2 - 2"}},
            "integer",
            {"type": "EmptyLatent", "inputs": {}},
            "width",
            "0 is below the range; found 0; expected ≥ 16, ≤ 16384, a multiple of 8; linked from calc.integer"
            " → nearest is 16",
        ),
        (
            {"type": "JoinText", "inputs": {"texts": ["wra", "p!"], "separator": ""}},
            "text",
            {"type": "Choose", "inputs": {"items": [1, 2]}},
            "beyond",
            'not one of the choices; found "wrap!"; expected fail, wrap, clamp; linked from calc.text'
            ' → did you mean "wrap"?',
        ),
    ],
)
def test_a_computed_value_that_is_not_taken_ends_the_run_in_one_line(
    source: dict[str, Any], output: str, node: dict[str, Any], input: str, line: str, shell: Shell, place: Path
) -> None:
    said = shell("run", document(place, source, output, node, input), "--json")
    assert said.code == 5, said.report
    (failure,) = said.report["failures"]
    assert (failure["node"], failure["input"], failure["message"]) == ("below", input, line)
    assert "Traceback" not in said.err
