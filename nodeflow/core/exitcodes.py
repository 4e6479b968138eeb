"""The exit codes that errors end with; the table is in README.md."""

from collections.abc import Sequence
from typing import Final

from nodeflow.core.errors import InvalidDocument, NodeflowError, OutOfMemory, PackFailed

_PACK_CODES: Final = frozenset({"pack.failed"})


def exit_code(error: NodeflowError) -> int:
    """What the shell ends with; a document that only lacks a pack that failed ends like the pack."""
    if isinstance(error, InvalidDocument):
        errors = [problem for problem in error.problems if problem.severity == "error"]
        if errors and all(problem.code in _PACK_CODES for problem in errors):
            return PackFailed.exit_code
    return error.exit_code


def exit_code_of(failures: Sequence[NodeflowError], *, cancelled: bool) -> int:
    """What a run ends with: out of memory counts before other failures, both before a stop."""
    if any(isinstance(failure, OutOfMemory) for failure in failures):
        return OutOfMemory.exit_code
    if failures:
        return failures[0].exit_code
    return 130 if cancelled else 0
