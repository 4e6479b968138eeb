"""``nodeflow cancel``: stops jobs of a server by their ids."""

import argparse

from nodeflow.cli import wire
from nodeflow.client import Client
from nodeflow.protocol.jobs import JobState


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare options."""
    parser.add_argument("jobs", nargs="+", metavar="ID", help="a job: one that runs stops within one step")
    wire.add_server(parser)


def execute(args: argparse.Namespace) -> int:
    """Prints what became of each; 2 when one has ended already or is not there."""
    with Client(args.server) as client:
        for id in args.jobs:
            state = client.cancel(id).state
            print(f"{id}: {state if state is JobState.CANCELLED else 'stops after this step'}")
    return 0
