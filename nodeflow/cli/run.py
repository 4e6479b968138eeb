"""``nodeflow run``: runs a workflow here, without a server."""

import argparse
import os
import sys
from typing import BinaryIO

from nodeflow.cli import wire
from nodeflow.cli.messages import exit_code, exit_code_of, report, report_problems
from nodeflow.cli.outcome import report_of, report_of_error
from nodeflow.cli.progress import display
from nodeflow.cli.streams import reserved_stdout
from nodeflow.core.errors import NodeflowError, UsageError
from nodeflow.core.suggest import shorten
from nodeflow.core.workflow import Document
from nodeflow.session import Result, Running, Session
from nodeflow.session.writing import files_of

INTERRUPTED = 130


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare options."""
    wire.add_document(parser)
    wire.add_item(parser)
    parser.add_argument("--output-dir", default="output", metavar="DIR", help="where files go (default: output)")
    wire.add_places(parser)
    wire.add_device(parser)
    parser.add_argument("--strict", action="store_true", help="a warning of a node is its failure")
    wire.add_refresh(parser)
    parser.add_argument("--dev", action="store_true", help="for authors of packs: a node that changes its inputs fails")
    parser.add_argument("--no-cache", action="store_true", help="compute everything, remember nothing")
    parser.add_argument("--no-metadata", action="store_true", help="do not embed the workflow into pictures")
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
    session = Session(
        models_dirs=args.models_dir,
        input_dir=args.input_dir,
        output_dir=args.output_dir,
        device=args.device,
        dtype=args.dtype,
        cache=not args.no_cache,
        metadata=not args.no_metadata,
        dev=args.dev,
    )
    with session:
        running = _start(session, args)
        result = _follow(running)
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


def _follow(running: Running) -> Result:
    """Shows the run until its end; the first Ctrl-C asks it to stop, the second ends the process at once."""
    interrupted = False
    with display(sys.stderr) as shown:
        while True:
            try:
                for event in running:
                    shown.show(event)
                return running.outcome()
            except KeyboardInterrupt:
                if interrupted:
                    shown.__exit__(None, None, None)  # gives the terminal its cursor back
                    os._exit(INTERRUPTED)
                interrupted = True
                running.cancel()
                print("stopping after this step; once more to stop at once", file=sys.stderr)


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
    lines = [str(path) for paths in result.saved.values() for path in paths]
    for output in result.values():
        lines += [str(path) for path in output.paths if str(path) not in lines]
        if (plain := output.json()) is not None:
            lines.append(f"{output.name}: {plain}")
    return "".join(f"{line}\n" for line in lines).encode()
