"""``nodeflow publish``: gives a workflow a name on a server."""

import argparse

from nodeflow.cli import wire
from nodeflow.client import Client
from nodeflow.core.errors import refusal
from nodeflow.session.workplace import Workplace


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare options."""
    add = parser.add_argument
    add("file", metavar="FILE", help=wire.DOCUMENT_HELP)
    add("--name", required=True, metavar="NAME", help="what it is called under: `nodeflow call NAME`")
    add("--note", default="", metavar="TEXT", help="what is new in this version")
    wire.add_server(parser)
    add("--json", action="store_true", help="print what the server knows of it as one JSON object")


def execute(args: argparse.Namespace) -> int:
    """Prints name and version; what was published never changes."""
    place = Workplace.at()
    document = place.load(wire.source(args)).document
    if document.faults:
        raise refusal(place.check(document))
    with Client(args.server) as client:
        made = client.publish(args.name, document.tree, args.note)
    print(made.model_dump_json() if args.json else f"{made.name}@{made.version}")
    return 0
