"""A job on a server that looks like a run here: same messages, same files, same report."""

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from nodeflow.cli import wire
from nodeflow.cli.ending import Ending, others, tell_start
from nodeflow.cli.fetching import Fetching, paths_of
from nodeflow.cli.messages import counted
from nodeflow.cli.progress import INTERRUPTED, display, follow
from nodeflow.cli.told import told_by
from nodeflow.cli.uploading import request_of
from nodeflow.client import Client, Refused
from nodeflow.core.errors import NodeflowError, UsageError
from nodeflow.engine.events import Event, Saved
from nodeflow.protocol.jobreport import JobReport
from nodeflow.protocol.jobs import JobInfo, JobOptions, JobState
from nodeflow.protocol.report import RunReport, problem_of
from nodeflow.storage.documents import CHUNK, RECORD_CHUNK
from nodeflow.storage.outputs import Outputs
from nodeflow.storage.png import without_texts

_OPERATORS: Final[Mapping[str, Any]] = {
    "models_dir": [],
    "device": "auto",
    "dtype": "auto",
    "dev": False,
    "no_cache": False,
}
"""Options that only whoever starts a server can give, and what they are when nobody gives them."""


def run_there(args: argparse.Namespace) -> Ending:
    """Runs a workflow on the server that ``--server`` names.

    Raises:
        NodeflowError: As for a run here, or the server cannot be reached.
    """
    for name, usual in _OPERATORS.items():
        if getattr(args, name) != usual:
            option = f"--{name.replace('_', '-')}"
            raise UsageError(f"{option} cannot be given with --server: it is the server's to decide; leave it out")
    with Client(args.server) as client:
        outputs = Outputs(Path(args.output_dir))
        outputs.check()
        job = submitted(client, args)
        return followed(client, job.id, outputs, args.stdout)


def submitted(client: Client, args: argparse.Namespace, *, key: str | None = None, **options: Any) -> JobInfo:
    """The job that was made of a workflow and its options.

    Args:
        client: Of the server.
        args: What the shell was given.
        key: Of this very request.
        options: More of ``JobOptions``.

    Raises:
        UsageError: An option makes no sense.
        InvalidDocument: With every problem of the document.
    """
    request = request_of(client, args)
    if getattr(args, "stdout", None) is not None:
        others(request.document, args.target, args.stdout)
    chosen = wire.message(JobOptions, strict=args.strict, refresh=_refresh(args), embed=not args.no_metadata, **options)
    return client.submit(request.tree, request.inputs, targets=args.target, options=chosen, key=key)


def followed(client: Client, job: str, outputs: Outputs, apart: str | None = None) -> Ending:
    """Shows a job until its end and fetches what it has made.

    Args:
        client: Of the server.
        job: That was submitted.
        outputs: Where its files go.
        apart: Name of a result that goes to standard output.
    """
    run = RemoteRun(client, job, outputs, apart)
    try:
        _tell_start(client, job)
    except KeyboardInterrupt:
        run.cancel()
        raise
    return follow(run, sys.stderr)


def watched(client: Client, job: str, outputs: Outputs, apart: str | None = None) -> Ending:
    """The same for somebody who only looks: Ctrl-C leaves the job alone."""
    _tell_start(client, job)
    run = RemoteRun(client, job, outputs, apart)
    with display(sys.stderr) as shown:
        for event in run:
            shown.show(event)
        return run.outcome()


def _tell_start(client: Client, job: str) -> None:
    start = client.report(job)
    tell_start([problem_of(each) for each in start.problems], start.drawn)
    if start.state is JobState.QUEUED and (why := _why_it_waits(client, job)):
        print(f"queued: {why}", file=sys.stderr, flush=True)


def _why_it_waits(client: Client, job: str) -> str:
    """Why a job does not begin at once; empty when it does."""
    if client.queue().paused:
        return "the queue is paused; `nodeflow jobs resume` goes on"
    position = client.info(job).position
    return f"{counted(position, 'job')} in front" if position else ""


class RemoteRun:
    """A job on a server, as an iterator of what happens."""

    def __init__(self, client: Client, job: str, outputs: Outputs, apart: str | None = None) -> None:
        self._client = client
        self._job = job
        self._apart = apart
        self._fetching = Fetching(client, outputs)
        self._seen = 0
        self._ended = False
        self._nodes: dict[str, str] = {}
        self._told = set[str]()

    def __iter__(self) -> Iterator[Event]:
        """What happens, from where the last iteration ended; in the end every file as it arrives."""
        if not self._ended:
            for event in self._client.events(self._job, self._seen):
                self._seen = event.seq
                if event.kind == "saved":
                    self._nodes[str(event.data["path"])] = str(event.data["node"])
                elif (told := told_by(event)) is not None:
                    yield told
            self._ended = True
        yield from self._fetched(self._client.report(self._job))

    def cancel(self) -> None:
        """Ask it to stop; nothing happens when it has ended."""
        with suppress(Refused):
            self._client.cancel(self._job)

    def outcome(self) -> Ending:
        """Wait for the end and tell how it went.

        Raises:
            NodeflowError: A file cannot be fetched.
        """
        for _ in self:
            continue
        job = self._client.report(self._job)
        report = self._fetching.here(report_of_job(job))
        values = {name: output.value for name, output in report.outputs.items()}
        return Ending(report, values, self._contents(job))

    def _fetched(self, job: JobReport) -> Iterator[Event]:
        if job.report is None:
            return
        files = {file.path: file for file in job.files}
        wanted = dict.fromkeys(paths_of(job.report, self._apart))
        for path in dict.fromkeys([*(path for path in self._nodes if path in wanted), *wanted]):
            if path in files and path not in self._told:
                here, unchanged = self._fetching.fetch(files[path])
                self._told.add(path)
                yield Saved(self._nodes.get(path, ""), str(here), unchanged)

    def _contents(self, job: JobReport) -> Sequence[bytes] | None:
        """The files of the result that goes elsewhere."""
        output = None if job.report is None or self._apart is None else job.report.outputs.get(self._apart)
        if output is None:
            return None
        files = (file for file in job.files if file.path in output.paths)
        return [without_texts(self._fetching.content(file), (CHUNK, RECORD_CHUNK)) for file in files]


def report_of_job(job: JobReport) -> RunReport:
    """A job that has ended as the run that it was; one that was lost has no results."""
    if job.report is None:
        error = job.error
        told = None if error is None else " → ".join(filter(None, (error.message, error.hint))) + f" [{error.code}]"
        cancelled = job.state is JobState.CANCELLED
        return RunReport(
            status="cancelled" if cancelled else "failed",
            exit_code=INTERRUPTED if cancelled else NodeflowError.exit_code,
            error=told,
            problems=list(job.problems),
            drawn=dict(job.drawn),
        )
    problems = job.report.problems if job.report.status == "invalid" else list(job.problems)
    return job.report.model_copy(update={"problems": problems, "drawn": dict(job.drawn)})


def _refresh(args: argparse.Namespace) -> bool | tuple[str, ...]:
    chosen = wire.refresh(args)
    return chosen if isinstance(chosen, bool) else tuple(chosen) or False
