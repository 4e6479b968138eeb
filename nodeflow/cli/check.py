"""``nodeflow check``: everything that is wrong with a workflow, without running or importing a node."""

import argparse
import dataclasses
import json
import sys
from collections.abc import Sequence

from nodeflow.cli import wire
from nodeflow.cli.messages import counted, report_problems
from nodeflow.cli.streams import reserved_stdout
from nodeflow.core.errors import InvalidDocument, Problem, refusal
from nodeflow.core.exitcodes import exit_code


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare options."""
    wire.add_document(parser)
    wire.add_places(parser)
    parser.add_argument("--strict", action="store_true", help="count warnings as errors")
    parser.add_argument("--json", action="store_true", help="print the problems as a JSON array")


def execute(args: argparse.Namespace) -> int:
    """Prints the problems; 0 when there is none that would stop a run."""
    place = wire.workplace(args)
    unreadable: InvalidDocument | None = None
    try:
        with reserved_stdout():  # rules and migrations are code of packs
            problems = place.check(wire.source(args), wire.values(args), targets=args.target)
    except InvalidDocument as error:
        unreadable, problems = error, error.problems
    if args.json:
        print(_as_json(problems))
    else:
        report_problems(problems, sys.stderr)
    errors = [problem for problem in problems if problem.severity == "error" or args.strict]
    if not errors:
        if not args.json:
            print(f"{args.file}: ok" + (f", {counted(len(problems), 'warning')}" if problems else ""))
        return 0
    return exit_code(unreadable or refusal(errors))


def _as_json(problems: Sequence[Problem]) -> str:
    return json.dumps([dataclasses.asdict(problem) for problem in problems], ensure_ascii=False)
