"""``nodeflow run``: runs a workflow here, without a server."""

import argparse
import sys
from os import fsencode
from typing import BinaryIO

from nodeflow.cli import wire
from nodeflow.cli.messages import report, report_problems
from nodeflow.cli.progress import follow
from nodeflow.cli.streams import reserved_stdout
from nodeflow.core.errors import NodeflowError, UsageError
from nodeflow.core.exitcodes import exit_code, exit_code_of
from nodeflow.core.suggest import shorten
from nodeflow.core.workflow import Document
from nodeflow.diffusion.files import files_of
from nodeflow.session import Result, Running, Session
from nodeflow.session.reporting import report_of, report_of_error


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare options."""
    wire.add_document(parser)
    wire.add_item(parser)
    wire.add_run(parser)
    wire.add_refresh(parser)
    out = parser.add_mutually_exclusive_group()
    out.add_argument("--json", action="store_true", help="print one JSON object about the run")
    out.add_argument("--stdout", metavar="NAME", help="write this result to standard output, as a file of its kind")


def execute(args: argparse.Namespace) -> int:
    """Runs it; results go to standard output, everything else to standard error."""
    with reserved_stdout() as out:
        try:
            return _run(args, out)
        except NodeflowError as error:
            report(error, sys.stderr)
            if args.json:
                out.write(report_of_error(error).line())
            return exit_code(error)


def _run(args: argparse.Namespace, out: BinaryIO) -> int:
    with wire.session(args) as session:
        running = _start(session, args)
        result = follow(running, sys.stderr)
        for failure in result.failures:
            report(failure, sys.stderr)
        for name, reason in result.withheld.items():
            print(f"held back: {name}: {reason}", file=sys.stderr)
        code = exit_code_of(result.failures, cancelled=result.cancelled)
        if result.cancelled:
            print("interrupted", file=sys.stderr)
        if args.json:
            out.write(report_of(result, running.problems, code).line())
        elif args.stdout:
            _write_result(result, args.stdout, out)
        else:
            out.write(_lines(result))
        return code


def _start(session: Session, args: argparse.Namespace) -> Running:
    source = session.load(wire.source(args), item=args.item)
    values = wire.values(args)
    write = None if args.stdout is None else _others(source.document, args)
    running = session.start(
        source, values, targets=args.target, strict=args.strict, write=write, refresh=wire.refresh(args)
    )
    report_problems(running.problems, sys.stderr)
    for name, value in running.drawn.items():
        print(f"drawn: {name} = {shorten(value)}", file=sys.stderr)
    return running


def _others(document: Document, args: argparse.Namespace) -> list[str]:
    """Names of the results that go to files although one goes to standard output."""
    names = [*document.interface.outputs, *(args.target or ())]
    if args.stdout not in names:
        known = ", ".join(names) or "none"
        raise UsageError(f"--stdout {args.stdout}: the workflow has no such result; it has {known}")
    return [name for name in names if name != args.stdout]


def _write_result(result: Result, name: str, out: BinaryIO) -> None:
    output = result.get(name)
    if output is None:
        return
    files = list(files_of(output.value, _without_chunks))
    if len(files) != 1:
        raise UsageError(f"--stdout {name}: {len(files)} files would be written; only one fits")
    out.write(files[0][1])


def _without_chunks(_: object) -> dict[str, str]:
    return {}


def _lines(result: Result) -> bytes:
    """Paths of the files, and values that are plain."""
    lines = [fsencode(path) for paths in result.saved.values() for path in paths]
    for output in result.values():
        lines += [path for path in map(fsencode, output.paths) if path not in lines]
        if (plain := output.json()) is not None:
            lines.append(f"{output.name}: {plain}".encode("utf-8", "backslashreplace"))
    return b"".join(line + b"\n" for line in lines)
