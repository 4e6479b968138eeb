"""Errors as the shell says them, and the exit codes they end with."""

from collections.abc import Sequence
from typing import Final, TextIO

from nodeflow.core.errors import InvalidDocument, NodeFailed, NodeflowError, OutOfMemory, PackFailed, Problem

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


def counted(count: int, thing: str) -> str:
    """``1 warning``, ``2 warnings``."""
    return f"{count} {thing}" if count == 1 else f"{count} {thing}s"


def printable(text: str) -> str:
    """A text that may come out of a file, with what would steer the terminal written out: ``\\x1b``."""
    return "".join(each if each.isprintable() else ascii(each)[1:-1] for each in text)


def report(error: NodeflowError, stream: TextIO) -> None:
    """Prints an error: all problems of a document, the traceback of a node's own fault."""
    if isinstance(error, InvalidDocument):
        report_problems(error.problems, stream)
        return
    if isinstance(error, NodeFailed) and error.traceback:
        print(error.traceback.rstrip(), file=stream)
    print(f"error: {error}", file=stream)


def report_problems(problems: Sequence[Problem], stream: TextIO) -> None:
    """Prints every problem on a line of its own."""
    for problem in problems:
        print(printable(f"{problem.severity}: {problem}"), file=stream)
