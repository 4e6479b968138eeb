"""``nodeflow convert``: a pickled model file as safetensors, without running what may be in it."""

import argparse
import dataclasses
import json
from pathlib import Path

from nodeflow.cli.messages import counted
from nodeflow.session.converting import SUFFIXES, convert


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare options."""
    parser.add_argument("file", metavar="FILE", help=f"a model file that torch saved: {', '.join(SUFFIXES)}")
    parser.add_argument("out", nargs="?", metavar="OUT", help="the safetensors file; beside FILE by default")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def execute(args: argparse.Namespace) -> int:
    """Prints the file that was written, and what was left out."""
    done = convert(Path(args.file), None if args.out is None else Path(args.out))
    if args.json:
        print(json.dumps({**dataclasses.asdict(done), "path": str(done.path)}, ensure_ascii=False))
        return 0
    print(f"{done.path}: {counted(done.tensors, 'tensor')}")
    if done.dropped_count:
        more = ", …" if done.dropped_count > len(done.dropped) else ""
        entries = (
            "1 entry that is no plain tensor"
            if done.dropped_count == 1
            else f"{done.dropped_count} entries that are no plain tensors"
        )
        print(f"left out {entries}: {', '.join(done.dropped)}{more}")
    return 0
