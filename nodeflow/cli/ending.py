"""How a run ended, wherever it ran: what is said of it, and what goes to standard output."""

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from os import fsencode
from typing import BinaryIO

from pydantic import JsonValue

from nodeflow.cli.messages import report as say
from nodeflow.cli.messages import report_problems
from nodeflow.core.errors import Problem, UsageError
from nodeflow.core.suggest import shorten
from nodeflow.core.workflow import Document
from nodeflow.protocol.report import RunReport, failure_of


@dataclass(frozen=True, slots=True)
class Ending:
    """A run that has ended.

    Attributes:
        report: Everything about it; the paths in it are of files on this machine.
        values: Results that are plain, by name.
        contents: The files that hold the result that goes to standard output; None where there is no such result.
    """

    report: RunReport
    values: Mapping[str, JsonValue]
    contents: Sequence[bytes] | None = None


def add_output(parser: argparse.ArgumentParser) -> None:
    """Options that say what goes to standard output."""
    out = parser.add_mutually_exclusive_group()
    out.add_argument("--json", action="store_true", help="print one JSON object about the run")
    out.add_argument("--stdout", metavar="NAME", help="write this result to standard output, as a file of its kind")


def others(document: Document, targets: Sequence[str] | None, name: str) -> list[str]:
    """Names of the results that go to files although one goes to standard output.

    Raises:
        UsageError: That one is no result.
    """
    names = [*document.interface.outputs, *(targets or ())]
    if name not in names:
        known = ", ".join(names) or "none"
        raise UsageError(f"--stdout {name}: the workflow has no such result; it has {known}")
    return [each for each in names if each != name]


def tell_start(problems: Sequence[Problem], drawn: Mapping[str, JsonValue]) -> None:
    """Says what is known before the first node runs."""
    report_problems(problems, sys.stderr)
    for name, value in drawn.items():
        print(f"drawn: {name} = {shorten(value)}", file=sys.stderr)


def tell(ending: Ending, args: argparse.Namespace, out: BinaryIO) -> int:
    """Says how a run ended and prints its results; returns the exit code."""
    report = ending.report
    for failure in report.failures:
        say(failure_of(failure), sys.stderr)
    for name, reason in report.withheld.items():
        print(f"held back: {name}: {reason}", file=sys.stderr)
    if report.status == "cancelled":
        print("interrupted", file=sys.stderr)
    if report.error is not None and not report.failures:
        print(f"error: {report.error}", file=sys.stderr)
    if args.json:
        out.write(report.line())
    elif args.stdout:
        _write_result(ending, args.stdout, out)
    else:
        out.write(_lines(ending))
    return report.exit_code


def _write_result(ending: Ending, name: str, out: BinaryIO) -> None:
    if ending.contents is None:
        return
    if len(ending.contents) != 1:
        raise UsageError(f"--stdout {name}: {len(ending.contents)} files would be written; only one fits")
    out.write(ending.contents[0])


def _lines(ending: Ending) -> bytes:
    """Paths of the files, and values that are plain."""
    lines = [fsencode(path) for paths in ending.report.saved.values() for path in paths]
    for name, output in ending.report.outputs.items():
        lines += [path for path in map(fsencode, output.paths) if path not in lines]
        if (plain := ending.values.get(name)) is not None:
            lines.append(f"{name}: {plain}".encode("utf-8", "backslashreplace"))
    return b"".join(line + b"\n" for line in lines)
