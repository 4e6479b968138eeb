"""``nodeflow explain``: which nodes would run again, and why."""

import argparse
import json

from nodeflow.cli import wire
from nodeflow.cli.streams import reserved_stdout
from nodeflow.session import Session


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare options."""
    wire.add_document(parser)
    wire.add_places(parser)
    wire.add_device(parser)
    wire.add_refresh(parser)
    parser.add_argument("--json", action="store_true", help="print a JSON array")


def execute(args: argparse.Namespace) -> int:
    """Prints a line per node."""
    session = Session(models_dirs=args.models_dir, input_dir=args.input_dir, device=args.device, dtype=args.dtype)
    with reserved_stdout():  # rules, migrations and expanders are code of packs
        source, values = wire.source(args), wire.values(args)
        found = session.explain(source, values, targets=args.target, refresh=wire.refresh(args))
    if args.json:
        rows = [{"node": item.node, "state": item.state, "reasons": list(item.reasons)} for item in found]
        print(json.dumps(rows, ensure_ascii=False))
        return 0
    width = max((len(item.node) for item in found), default=0)
    for item in found:
        reasons = "; ".join(item.reasons)
        print(f"{item.node:<{width}}  {item.state:<10}  {reasons}".rstrip())
    return 0
