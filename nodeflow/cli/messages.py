"""Errors as the shell says them."""

from collections.abc import Sequence
from typing import TextIO

from nodeflow.core.errors import InvalidDocument, NodeFailed, NodeflowError, Problem
from nodeflow.protocol.report import WarningReport


def counted(count: int, thing: str) -> str:
    """``1 warning``, ``2 warnings``."""
    return f"{count} {thing}" if count == 1 else f"{count} {thing}s"


def printable(text: str) -> str:
    """A text that may come out of a file, with what would steer the terminal written out: ``\\x1b``."""
    return "".join(each if each.isprintable() else ascii(each)[1:-1] for each in text)


def warned(warning: WarningReport) -> str:
    """A warning of a job, or of one of its nodes, as one line."""
    return printable(f"warning: {warning.node + ': ' if warning.node else ''}{warning.message}")


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
