"""``nodeflow lock``: writes into a workflow which packs and models it needs, to the last byte."""

import argparse
import sys
from pathlib import Path

from nodeflow.cli import wire
from nodeflow.cli.messages import report_problems
from nodeflow.core.errors import InvalidDocument, refusal
from nodeflow.core.exitcodes import exit_code
from nodeflow.session.pinning import Locked
from nodeflow.storage.documents import write_document
from nodeflow.storage.embedded import FIRST_BYTES, is_picture


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare options."""
    parser.add_argument("file", metavar="FILE", help=f"{wire.DOCUMENT_HELP}; only a file of yours is rewritten")
    wire.add_places(parser)
    parser.add_argument("--check", action="store_true", help="write nothing; say what is not locked")


def execute(args: argparse.Namespace) -> int:
    """Pins what is here, keeps all other pins, and says what is missing or wrong; 0 when everything is pinned.

    What is no document file of the user's (a picture, a shipped workflow, standard input) goes to standard output.
    """
    locked = wire.workplace(args).lock(wire.source(args))
    report_problems((*locked.problems, *locked.others), sys.stderr)
    changes = list(locked.changes())
    if args.check:
        for change in changes:
            print(change)
        return _code(locked) or (InvalidDocument.exit_code if changes else 0)
    data = locked.document.dumps()
    if not _is_rewritten(args.file):
        sys.stdout.buffer.write(data)
        return _code(locked)
    if data != Path(args.file).read_bytes():
        write_document(Path(args.file), data)
    print("\n".join(changes) or f"{args.file}: nothing to change")
    return _code(locked)


def _code(locked: Locked) -> int:
    wrong = [*locked.problems, *(problem for problem in locked.others if problem.severity == "error")]
    return exit_code(refusal(wrong)) if wrong else 0


def _is_rewritten(name: str) -> bool:
    path = Path(name)
    if name == "-" or not path.is_file():
        return False
    with path.open("rb") as file:
        return not is_picture(file.read(FIRST_BYTES))
