"""What the shell ends with, for each way in which something can go wrong."""

from nodeflow.core.errors import InvalidDocument, MissingFile, NodeFailed, OutOfMemory, Problem, UsageError
from nodeflow.core.exitcodes import exit_code, exit_code_of

FAILED = NodeFailed("n", "N", "it broke")
EXHAUSTED = OutOfMemory("n", "N", "too much")


def test_an_error_ends_with_its_own_code() -> None:
    assert [exit_code(error) for error in (UsageError("?"), FAILED, EXHAUSTED, MissingFile([]))] == [2, 5, 6, 4]


def test_a_document_that_only_lacks_a_pack_that_failed_ends_like_the_pack() -> None:
    pack, other = Problem("pack.failed", "it raised"), Problem("number.range", "too large")
    told = Problem("pins.pack", "another version", severity="warning")
    assert exit_code(InvalidDocument([pack, told])) == 7
    assert exit_code(InvalidDocument([pack, other])) == 3
    assert exit_code(InvalidDocument([told])) == 3


def test_out_of_memory_counts_before_other_failures_and_both_before_a_stop() -> None:
    assert exit_code_of([FAILED, EXHAUSTED], cancelled=True) == 6
    assert exit_code_of([FAILED], cancelled=True) == 5
    assert exit_code_of([], cancelled=True) == 130
    assert exit_code_of([], cancelled=False) == 0
