"""Carries one job out: from the document to the report, and the files that it left."""

import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from hashlib import file_digest
from mimetypes import guess_type
from pathlib import Path
from typing import Final

from nodeflow.core.errors import NodeflowError
from nodeflow.core.exitcodes import exit_code_of
from nodeflow.protocol.report import RunReport, WarningReport, problem_report
from nodeflow.protocol.work import Done, File, Happened, Run
from nodeflow.session.reporting import report_of, report_of_error
from nodeflow.session.running import Running
from nodeflow.session.session import Session
from nodeflow.worker.telling import MOST_CHARACTERS, MOST_WARNINGS, Send, Teller, too_many, within

_LOG = logging.getLogger(__name__)
_TYPES: Final = {".latent": "application/octet-stream", ".webp": "image/webp"}
_UNKNOWN: Final = "application/octet-stream"
_CANCELLED: Final = RunReport(status="cancelled", exit_code=130)


class Wish:
    """The wish that one job stops, which may come before its run has begun. Safe to use from several threads."""

    def __init__(self, job: str) -> None:
        self.job = job
        self.made = False
        self._stop: Callable[[], None] | None = None

    def make(self) -> None:
        """Wants it to stop within one step."""
        self.made = True
        if self._stop is not None:
            self._stop()

    def reach(self, stop: Callable[[], None]) -> None:
        """From now on ``stop`` is called; at once where the wish was made already."""
        self._stop = stop
        if self.made:
            stop()


def carry_out(session: Session, run: Run, document: bytes, wish: Wish, send: Send) -> tuple[Happened | Done, ...]:
    """Runs a job to its end; whatever goes wrong is in the report.

    Returns:
        The last that is to be said of it.
    """
    folder = Path(run.output_dir)
    with Teller(run.job, run.attempt, folder, send, previews=run.previews) as teller:
        try:
            report = _report(session, run, document, wish, teller)
        except NodeflowError as error:
            report = report_of_error(error)
        except Exception as error:  # noqa: BLE001 - a worker answers whatever happens
            _LOG.exception("a run could not be carried out")
            report = RunReport(
                status="failed", exit_code=1, error=f"a fault of nodeflow, not of the document: {error!r}"
            )
    files = tuple(written_files(_paths(report), folder))
    report = limited(_contained(report, folder))
    return *teller.rest, Done(job=run.job, attempt=run.attempt, report=report, files=files, models=session.models)


def _report(session: Session, run: Run, document: bytes, wish: Wish, teller: Teller) -> RunReport:
    if wish.made:
        return _CANCELLED
    dirs = tuple(map(Path, run.input_dirs))
    place = session.elsewhere(input_dirs=dirs, output_dir=Path(run.output_dir), metadata=run.embed)
    running = place.start(
        document,
        targets=run.targets,
        strict=run.strict,
        previews=run.previews,
        refresh=run.refresh,
        job=run.job,
        label=run.label,
    )
    wish.reach(running.cancel)
    return _followed(running, teller)


def _followed(running: Running, teller: Teller) -> RunReport:
    for problem in running.problems:
        teller.say("problem", problem_report(problem).model_dump(mode="json"))
    for event in running:
        teller.tell(event)
    result = running.outcome()
    return report_of(result, running.problems, exit_code_of(result.failures, cancelled=result.cancelled))


def _contained(report: RunReport, folder: Path) -> RunReport:
    """The report with paths within the output folder."""

    def inside(paths: list[str]) -> list[str]:
        return [within(folder, Path(path)) for path in paths]

    outputs = {name: each.model_copy(update={"paths": inside(each.paths)}) for name, each in report.outputs.items()}
    saved = {node: inside(paths) for node, paths in report.saved.items()}
    return report.model_copy(update={"outputs": outputs, "saved": saved, "unchanged": inside(report.unchanged)})


def limited(report: RunReport) -> RunReport:
    """The report as one message can hold it: not without end of what nodes said, showed and gave."""
    warnings = report.warnings
    if len(warnings) > MOST_WARNINGS:
        last = WarningReport(node="", message=too_many("warning", MOST_WARNINGS))
        warnings = [*warnings[:MOST_WARNINGS], last]
    values = [each.value for each in report.outputs.values()]
    if sum(len(str(part)) for part in (warnings, values, report.shown)) <= MOST_CHARACTERS:
        return report.model_copy(update={"warnings": warnings})
    message = (
        f"more than {MOST_CHARACTERS:,} characters were said, shown and given by this run; only its files are kept"
    )
    outputs = {name: each.model_copy(update={"value": None}) for name, each in report.outputs.items()}
    cut = {"warnings": [WarningReport(node="", message=message)], "outputs": outputs, "shown": {}}
    return report.model_copy(update=cut)


def _paths(report: RunReport) -> Iterator[str]:
    yield from (path for paths in report.saved.values() for path in paths)
    yield from (path for output in report.outputs.values() for path in output.paths)


def written_files(paths: Iterable[str], folder: Path) -> Iterator[File]:
    """Files as the server keeps them; one that somebody took away meanwhile is none."""
    for path in map(Path, dict.fromkeys(paths)):
        with suppress(OSError), path.open("rb") as file:
            digest = file_digest(file, "sha256").hexdigest()
            yield File(
                path=within(folder, path),
                media_type=_TYPES.get(path.suffix) or guess_type(path.name)[0] or _UNKNOWN,
                bytes=file.tell(),
                sha256=digest,
            )
