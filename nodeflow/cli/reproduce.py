"""``nodeflow reproduce``: makes a picture again from what is embedded in it, and compares."""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from nodeflow.cli import wire
from nodeflow.cli.progress import display
from nodeflow.cli.streams import reserved_stdout
from nodeflow.core.errors import Cancelled, InvalidDocument, NodeflowError, Problem, UsageError
from nodeflow.core.suggest import listing
from nodeflow.session import Result, Session
from nodeflow.session.environment import choose_device
from nodeflow.session.reproduction import Comparison, Original, compare, read_original, same_item
from nodeflow.session.sources import Source

DIFFERENT = 1
"""Exit code for a picture that came out differently."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare options."""
    parser.add_argument("picture", type=Path, metavar="PICTURE", help="a PNG or WebP file that nodeflow wrote")
    wire.add_places(parser)
    wire.add_device(parser, default=None)


def execute(args: argparse.Namespace) -> int:
    """Runs the embedded workflow, reading no cache, and reports."""
    original = read_original(args.picture)
    with reserved_stdout() as out, TemporaryDirectory(prefix="nodeflow-") as folder:
        device = args.device or _device_of(original)
        session = Session(
            models_dirs=args.models_dir,
            input_dir=args.input_dir,
            output_dir=folder,
            device=device,
            dtype=args.dtype or original.dtype,
            cache=False,
        )
        with session:
            _refuse_draws(session, original)
            found = _alone(session, original) or _together(session, original)
        out.write(f"{_verdict(args.picture, found)}\n".encode())
    return DIFFERENT if found.pixels else 0


def _refuse_draws(session: Session, original: Original) -> None:
    """What is embedded holds what was drawn; to draw again would make another picture, and count as a submission."""
    resolution = session.workplace.prepare(original.path, targets=[original.target]).resolution
    if resolution.undrawn:
        places = [f"{node}.{input}" for node, inputs in resolution.drawn.items() for input in inputs]
        message = "the document in this picture draws values, so it is not the one that ran"
        hint = "it was changed by hand; nodeflow run draws anew"
        found = listing(places) if places else "a draw in a sub-graph"
        raise InvalidDocument([Problem("document.picture", message, found=found, hint=hint)])


def _alone(session: Session, original: Original) -> Comparison | None:
    """A picture of a batch made without the others; None unless it comes out the same, which it nearly always does."""
    if original.record.get("item") in (None, [0, 1]):
        return None
    try:
        found = _made(session, original, session.load(original.path, item=True))
    except Cancelled:
        raise
    except NodeflowError:  # it cannot be made alone; what else is wrong is said when all are made
        return None
    return None if found.pixels else found


def _together(session: Session, original: Original) -> Comparison:
    return _made(session, original, original.path)


def _made(session: Session, original: Original, source: Source) -> Comparison:
    return compare(original, same_item(original, _files(_run(session, source, original.target))))


def _run(session: Session, source: Source, target: str) -> Result:
    running = session.start(source, targets=[target])
    try:
        with display(sys.stderr) as shown:
            for event in running:
                shown.show(event)
    except KeyboardInterrupt:
        running.cancel()
    return running.result()


def _device_of(original: Original) -> str:
    """The device the picture was made on, or the best there is here."""
    try:
        return choose_device(original.device)
    except UsageError as error:
        print(f"warning: {error}", file=sys.stderr)
        return "auto"


def _files(result: Result) -> Iterator[Path]:
    for paths in result.saved.values():
        yield from paths
    for output in result.values():
        yield from output.paths


def _verdict(picture: Path, found: Comparison) -> str:
    if not found.pixels:
        also = f", although there is a difference: {found.differences[0]}" if found.differences else ""
        return f"{picture}: reproduced, all pixels are equal{also}"
    lines = [f"{picture}: not reproduced"]
    if found.differences:
        lines.append(f"first difference: {found.differences[0]}")
        lines += [f"also: {difference}" for difference in found.differences[1:]]
    else:
        lines.append(
            "versions, models, inputs, seeds and device are the same; a node does not give the same result twice"
        )
    return "\n".join([*lines, f"pixels: {found.pixels}"])
