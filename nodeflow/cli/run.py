"""``nodeflow run``: runs a workflow, here without a server, or with ``--server`` on one."""

import argparse
import sys
from collections.abc import Mapping, Sequence
from typing import BinaryIO

from nodeflow.cli import wire
from nodeflow.cli.ending import Ending, add_output, others, tell, tell_start
from nodeflow.cli.messages import report
from nodeflow.cli.progress import follow
from nodeflow.cli.streams import reserved_stdout
from nodeflow.core.errors import NodeflowError
from nodeflow.core.exitcodes import exit_code, exit_code_of
from nodeflow.diffusion.files import files_of
from nodeflow.session import Result, Running, Session
from nodeflow.session.reporting import report_of, report_of_error


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare options."""
    wire.add_document(parser)
    wire.add_item(parser)
    wire.add_run(parser)
    wire.add_refresh(parser)
    wire.add_server(parser, "run it on this server instead of here; what it needs is sent, what it makes is fetched")
    add_output(parser)


def execute(args: argparse.Namespace) -> int:
    """Runs it; results go to standard output, everything else to standard error."""
    with reserved_stdout() as out:
        try:
            if args.server is not None:
                from nodeflow.cli.remote import run_there

                return tell(run_there(args), args, out)
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
        code = exit_code_of(result.failures, cancelled=result.cancelled)
        values = {name: output.json() for name, output in result.items()}
        ending = Ending(report_of(result, running.problems, code), values, _contents(result, args.stdout))
        return tell(ending, args, out)


def _start(session: Session, args: argparse.Namespace) -> Running:
    source = session.load(wire.source(args), item=args.item)
    values = wire.values(args)
    write = None if args.stdout is None else others(source.document, args.target, args.stdout)
    running = session.start(
        source, values, targets=args.target, strict=args.strict, write=write, refresh=wire.refresh(args)
    )
    tell_start(running.problems, running.drawn)
    return running


def _contents(result: Result, name: str | None) -> Sequence[bytes] | None:
    output = None if name is None else result.get(name)
    return None if output is None else [data for _, data in files_of(output.value, _without_chunks)]


def _without_chunks(_: object) -> Mapping[str, str]:
    return {}
