"""Errors: one line each, and an exit code for the shell."""

import pytest

from nodeflow.core import errors
from nodeflow.core.errors import Cancelled, InputError, InvalidDocument, MissingFile, NodeFailed, PackFailed, Problem


def test_a_failed_node_names_itself_and_the_input() -> None:
    assert str(NodeFailed("s1", "KSampler", "boom")) == 'KSampler "s1": boom'
    failed = NodeFailed("s1", "KSampler", "is odd", input="steps", traceback="…")
    assert str(failed) == 'KSampler "s1" · steps: is odd'
    assert (failed.node, failed.type, failed.input, failed.traceback) == ("s1", "KSampler", "steps", "…")


def test_a_problem_is_one_line_with_the_way_out() -> None:
    problem = Problem("number.range", "is below 1", "s1", "steps", "0", "at least 1", "try 20", type="KSampler")
    assert str(problem) == 'KSampler "s1" · steps: is below 1; found 0; expected at least 1 → try 20 [number.range]'
    assert str(Problem("json.syntax", "is not JSON")) == "is not JSON [json.syntax]"
    assert str(Problem("node.type", "is unknown", "s1")) == 'node "s1": is unknown [node.type]'
    assert str(InvalidDocument([problem, problem])).count("\n") == 1


def test_an_input_error_names_the_input() -> None:
    assert str(InputError("width", "must be a multiple of 8; try 512")) == "width: must be a multiple of 8; try 512"


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.UsageError, 2),
        (InvalidDocument, 3),
        (MissingFile, 4),
        (NodeFailed, 5),
        (errors.OutOfMemory, 6),
        (PackFailed, 7),
        (errors.NodeUnusable, 7),
        (Cancelled, 130),
    ],
)
def test_every_error_has_the_exit_code_of_its_kind(error: type[errors.NodeflowError], code: int) -> None:
    assert error.exit_code == code
