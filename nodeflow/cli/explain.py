"""``nodeflow explain``: which nodes would run again, and why."""

import argparse
import json
import sys
from collections.abc import Iterator, Sequence

from nodeflow.cli import wire
from nodeflow.cli.messages import report_problems
from nodeflow.cli.streams import reserved_stdout
from nodeflow.core.errors import refusal
from nodeflow.core.exitcodes import exit_code
from nodeflow.engine.explain import NodeExplanation
from nodeflow.session import Session


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare options."""
    wire.add_document(parser)
    wire.add_places(parser)
    wire.add_device(parser)
    wire.add_refresh(parser)
    parser.add_argument("--json", action="store_true", help="print a JSON array")


def execute(args: argparse.Namespace) -> int:
    """Prints a line per node, also of a document that cannot run, which ends as its check does."""
    session = Session(models_dirs=args.models_dir, input_dir=args.input_dir, device=args.device, dtype=args.dtype)
    with reserved_stdout():  # rules, migrations and expanders are code of packs
        source, values = wire.source(args), wire.values(args)
        found = session.outlook(source, values, targets=args.target, refresh=wire.refresh(args))
    if args.json:
        rows = [{"node": item.node, "state": item.state, "reasons": list(item.reasons)} for item in found.nodes]
        print(json.dumps(rows, ensure_ascii=False))
    else:
        for line in _lines(found.nodes):
            print(line)
    report_problems(found.problems, sys.stderr)
    return exit_code(refusal(found.problems)) if found.failed else 0


def _lines(nodes: Sequence[NodeExplanation]) -> Iterator[str]:
    width = max((len(item.node) for item in nodes), default=0)
    for item in nodes:
        yield f"{item.node:<{width}}  {item.state:<10}  {'; '.join(item.reasons)}".rstrip()
