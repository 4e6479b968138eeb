"""Draws from the shell: what was drawn is in the report, and a value that is given replaces the draw."""

import json
from typing import Any

from tests.cli.conftest import Shell, document, interface

DRAWN = document(
    {"count": ("Count", {"steps": {"draw": "counter", "name": "shell", "start": 2}})},
    interface=interface({"steps": "count.steps"}, {"total": "count.number"}),
)


def run(shell: Shell, *words: str) -> dict[str, Any]:
    return shell("run", "-", "--json", *words, stdin=DRAWN).report


def test_the_report_tells_what_was_drawn(shell: Shell) -> None:
    drawn = [run(shell)["drawn"]["count.steps"] for _ in range(2)]

    assert drawn[1] == drawn[0] + 1
    assert run(shell, "--input", "steps=5")["drawn"] == {}
    assert run(shell)["drawn"] == {"count.steps": drawn[1] + 1}


def test_a_draw_can_be_given_for_an_input(shell: Shell) -> None:
    draw = json.dumps({"draw": "choice", "of": [3]})

    report = run(shell, "--input", f"steps={draw}")

    assert report["drawn"] == {"steps": 3}


def test_what_a_draw_may_give_is_checked_beforehand(shell: Shell) -> None:
    said = shell("check", "-", "--set", 'count.steps={"draw": "random"}', stdin=DRAWN)

    assert said.code == 3
    assert "the draw random may give" in said.err


def test_explain_names_the_inputs_that_are_drawn(shell: Shell) -> None:
    said = shell("explain", "-", stdin=DRAWN)

    assert "steps is drawn anew at each run" in said.out
