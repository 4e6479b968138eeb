"""``nodeflow sweep``: runs a workflow at many points, and lays the pictures out by their values."""

import argparse
import csv
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

from nodeflow.cli import wire
from nodeflow.cli.messages import counted, report, report_problems
from nodeflow.cli.progress import INTERRUPTED, follow
from nodeflow.cli.streams import reserved_stdout
from nodeflow.cli.swept import SweepReport, point_report, sweep_report_of_error
from nodeflow.core.errors import MissingFile, NodeflowError, Problem, UsageError
from nodeflow.core.exitcodes import exit_code, exit_code_of
from nodeflow.protocol.report import problem_report
from nodeflow.session import Result, Running, Session
from nodeflow.session.axes import Point, axes_of
from nodeflow.session.sheets import write_sheets
from nodeflow.session.sources import Loaded, Value
from nodeflow.session.sweeping import Sweep
from nodeflow.session.swept import Ending, SweepPoint

_OVER = (
    "values of an input: a,b,c (quote those with commas); 4..8, or 4..8/5 for five from 4 to 8; @FILE for the lines "
    "of a file; wildcards in names of files and of choices; repeatable, every combination runs"
)
_ENDINGS = {
    Ending.DONE: "done",
    Ending.KEPT: "done before",
    Ending.FAILED: "failed",
    Ending.CANCELLED: "interrupted",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare options."""
    wire.add_document(parser)
    add = parser.add_argument
    add("--over", action="append", default=[], metavar="NAME=VALUES", help=_OVER)
    add("--csv", metavar="FILE", help="table with the names of inputs in its first line; every further line is a step")
    add("--zip", action="store_true", help="inputs of --over walk together instead of being combined")
    wire.add_run(parser)
    add("--fresh", action="store_true", help="run also what the output folder says is done")
    add("--stop-on-failure", action="store_true", help="end at the first point that fails")
    add("--no-sheet", action="store_true", help="make no contact sheet")
    add("--json", action="store_true", help="print one JSON object about all points")


def execute(args: argparse.Namespace) -> int:
    """Runs the points; results go to standard output, everything else to standard error."""
    with reserved_stdout() as out:
        try:
            return _sweep(args, out)
        except NodeflowError as error:
            report(error, sys.stderr)
            if args.json:
                out.write(sweep_report_of_error(error).line())
            return exit_code(error)


def _sweep(args: argparse.Namespace, out: BinaryIO) -> int:
    with wire.session(args) as session:
        sweep = _made(session, args)
        report_problems(sweep.problems, sys.stderr)
        points, interrupted = _run(sweep)
        failures = [failure for each in points for failure in each.failures]
        try:
            sheets = () if args.no_sheet or interrupted else _sheets(sweep, points, args)
        except NodeflowError as error:  # the points are done all the same
            report(error, sys.stderr)
            failures, sheets = [*failures, error], ()
        code = INTERRUPTED if interrupted else exit_code_of(failures, cancelled=False)
        _summary(sweep, points, interrupted=interrupted)
        if args.json:
            out.write(_report(sweep, points, sheets, code).line())
        else:
            files = dict.fromkeys([*(path for each in points for path in each.files), *sheets])
            out.write("".join(f"{path}\n" for path in files).encode("utf-8", "surrogateescape"))
        return code


def _made(session: Session, args: argparse.Namespace) -> Sweep:
    loaded = session.load(wire.source(args))
    axes = axes_of(_over(session, loaded, args), _rows(session, loaded, args), zipped=args.zip)
    options = {"targets": args.target, "strict": args.strict, "fresh": args.fresh, "stop": args.stop_on_failure}
    return Sweep(session, loaded, axes, wire.values(args), **options)


def _over(session: Session, loaded: Loaded, args: argparse.Namespace) -> Mapping[str, Sequence[Value]]:
    spread = session.workplace.spread(loaded)
    over: dict[str, Sequence[Value]] = {}
    for text in args.over:
        name, equals, values = text.partition("=")
        if not equals or not name:
            raise UsageError(f"--over {text}: expected NAME=VALUES, such as cfg=4..8/5")
        if name in over:
            raise UsageError(f"--over {name} is given twice; put all its values into one, with commas between them")
        over[name] = spread.values(name, values)
    return over


def _rows(session: Session, loaded: Loaded, args: argparse.Namespace) -> Sequence[Mapping[str, Value]]:
    """The lines of ``--csv``; an empty field leaves its input as it is."""
    if args.csv is None:
        return ()
    spread = session.workplace.spread(loaded)
    names, *lines = _table(args.csv)
    return [{name: spread.value(name, text) for name, text in zip(names, line, strict=True) if text} for line in lines]


def _table(name: str) -> list[list[str]]:
    try:
        with Path(name).open(encoding="utf-8-sig", newline="") as file:
            lines = [line for line in csv.reader(file, strict=True) if line]
    except OSError as error:
        message = f"the file of --csv cannot be read: {error.strerror or error}"
        raise MissingFile([Problem("file.missing", message, found=name)]) from error
    except (csv.Error, UnicodeDecodeError) as error:
        raise UsageError(f"--csv {name}: not a table in UTF-8 with commas: {error}") from error
    if len(lines) < 2:
        raise UsageError(f"--csv {name}: expected the names of inputs in the first line, and values below")
    heads = [head.strip() for head in lines[0]]
    if not all(heads) or len(set(heads)) < len(heads):
        raise UsageError(f"--csv {name}: every column needs a name of its own; found {', '.join(heads)}")
    uneven = next((number for number, line in enumerate(lines[1:], 2) if len(line) != len(heads)), None)
    if uneven is not None:
        found = len(lines[uneven - 1])
        raise UsageError(f"--csv {name}: line {uneven} has {found} fields where the first has {len(heads)}")
    return [heads, *lines[1:]]


def _run(sweep: Sweep) -> tuple[list[SweepPoint], bool]:
    """The points that ended, and whether Ctrl-C was pressed."""
    count = len(sweep.points)
    points: list[SweepPoint] = []

    def shown(point: Point, running: Running) -> Result:
        print(f"{point.index} of {count}: {point}", file=sys.stderr, flush=True)
        return follow(running, sys.stderr)

    try:
        for ended in sweep.run(shown):
            points.append(replace(ended, result=None))  # its values would fill the memory
            for failure in ended.failures:
                report(failure, sys.stderr)
    except KeyboardInterrupt:  # while nothing was running here
        return points, True
    return points, any(each.ending is Ending.CANCELLED for each in points)


def _sheets(sweep: Sweep, points: Sequence[SweepPoint], args: argparse.Namespace) -> tuple[Path, ...]:
    stem = "sweep" if args.file == "-" else Path(args.file).stem
    return write_sheets(sweep.axes, points, sweep.outputs.for_run(), f"{stem}_sheet")


def _summary(sweep: Sweep, points: Sequence[SweepPoint], *, interrupted: bool) -> None:
    counts = {ending: sum(each.ending is ending for each in points) for ending in Ending}
    words = ", ".join(f"{count} {_ENDINGS[ending]}" for ending, count in counts.items() if count)
    way_out = "; the same command goes on from here" if interrupted else ""
    print(f"{counted(len(sweep.points), 'point')}: {words or 'none run'}{way_out}", file=sys.stderr)


def _report(sweep: Sweep, points: Sequence[SweepPoint], sheets: Sequence[Path], code: int) -> SweepReport:
    ended = {each.point.index: each for each in points}
    return SweepReport(
        status="cancelled" if code == INTERRUPTED else "failed" if code else "ok",
        exit_code=code,
        axes=[list(axis.names) for axis in sweep.axes],
        points=[point_report(point, ended.get(point.index)) for point in sweep.points],
        sheets=[str(path) for path in sheets],
        problems=[problem_report(problem) for problem in sweep.problems],
    )
