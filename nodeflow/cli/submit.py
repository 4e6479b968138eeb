"""``nodeflow submit``: puts a workflow into the queue of a server and leaves it there."""

import argparse
import sys

from nodeflow.cli import wire
from nodeflow.cli.messages import warned
from nodeflow.cli.remote import submitted
from nodeflow.client import Client

_KEY = "name of this very request: sent again with the same key it is the same job, and not another one"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare options."""
    wire.add_document(parser)
    wire.add_item(parser)
    wire.add_input_dir(parser)
    wire.add_refresh(parser)
    wire.add_server(parser)
    add = parser.add_argument
    add("--strict", action="store_true", help="a warning of a node is its failure")
    add("--no-metadata", action="store_true", help="do not embed the workflow into pictures")
    add("--priority", type=int, default=0, metavar="N", help="-100 to 100; the higher, the earlier (default: 0)")
    add("--deadline", type=float, metavar="SECONDS", help="an attempt that takes longer is stopped and failed")
    add("--webhook", metavar="URL", help="is told of the end; on a host that the server's operator allows")
    add("--key", help=_KEY)
    add("--json", action="store_true", help="print the job as one JSON object")


def execute(args: argparse.Namespace) -> int:
    """Prints the id of the job once the server has it on disk."""
    options = {
        name: value for name in ("priority", "deadline", "webhook") if (value := getattr(args, name)) is not None
    }
    with Client(args.server) as client:
        job = submitted(client, args, key=args.key, **options)
    for warning in job.warnings:
        print(warned(warning), file=sys.stderr)
    print(job.model_dump_json() if args.json else job.id)
    return 0
