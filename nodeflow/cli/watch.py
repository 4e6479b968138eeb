"""``nodeflow watch``: follows a job of a server as ``nodeflow run`` follows a run."""

import argparse
import sys
from pathlib import Path
from typing import BinaryIO

from nodeflow.cli import wire
from nodeflow.cli.ending import add_output, tell
from nodeflow.cli.messages import report
from nodeflow.cli.remote import watched
from nodeflow.cli.streams import reserved_stdout
from nodeflow.client import Client
from nodeflow.core.errors import NodeflowError
from nodeflow.core.exitcodes import exit_code
from nodeflow.session.reporting import report_of_error
from nodeflow.storage.outputs import Outputs


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare options."""
    parser.add_argument("job", metavar="ID", help="the job, as `nodeflow submit` has printed it")
    wire.add_server(parser)
    wire.add_output_dir(parser)
    add_output(parser)


def execute(args: argparse.Namespace) -> int:
    """Shows it to its end, fetches its files and ends as it did; Ctrl-C leaves it alone."""
    with reserved_stdout() as out:
        try:
            return _watch(args, out)
        except NodeflowError as error:
            report(error, sys.stderr)
            if args.json:
                out.write(report_of_error(error).line())
            return exit_code(error)
        except KeyboardInterrupt:
            print(f"the job goes on; `nodeflow cancel {args.job}` stops it", file=sys.stderr)
            raise


def _watch(args: argparse.Namespace, out: BinaryIO) -> int:
    outputs = Outputs(Path(args.output_dir))
    outputs.check()
    with Client(args.server) as client:
        return tell(watched(client, args.job, outputs, args.stdout), args, out)
