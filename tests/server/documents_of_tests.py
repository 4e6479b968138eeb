"""Documents that the tests of routes send."""

import json
from pathlib import Path
from typing import Any

WORKFLOWS = Path(__file__).parents[2] / "workflows"


def shipped(name: str) -> dict[str, Any]:
    """A workflow of the repository."""
    return json.loads((WORKFLOWS / f"{name}.json").read_text())


def number(value: Any = 1, **rest: Any) -> dict[str, Any]:
    """The smallest document that gives something: a number."""
    return {
        "nodeflow": 1,
        "nodes": {"n": {"type": "Number", "inputs": {"value": value}}},
        "interface": {"inputs": {"value": {"to": ["n.value"]}}, "outputs": {"it": {"from": "n.number"}}},
        **rest,
    }
