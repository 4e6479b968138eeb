"""What a worker's last word means for a job: its state, its outputs, its error."""

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Final

from pydantic import JsonValue

from nodeflow.protocol.ids import new_id
from nodeflow.protocol.jobs import JobError, JobState
from nodeflow.protocol.report import RunReport
from nodeflow.protocol.work import Done, File
from nodeflow.storage.database.records import Ending, NewOutput

STATES: Final[Mapping[str, JobState]] = MappingProxyType(
    {
        "ok": JobState.SUCCEEDED,
        "failed": JobState.FAILED,
        "invalid": JobState.FAILED,
        "cancelled": JobState.CANCELLED,
    }
)
_CODES: Final[Mapping[int, str]] = MappingProxyType(
    {2: "request.invalid", 3: "document.invalid", 4: "document.missing-file", 6: "node.memory", 7: "pack.failed"}
)
"""Code of an error by the exit code that the shell would have ended with."""
_FILE: Final = "File"
"""Type of what is only known to be a file."""


def ending_of(done: Done) -> Ending:
    """How a job ended whose worker carried it out."""
    report = done.report
    state = STATES[report.status]
    outputs = tuple(_outputs(report, done.files, partial=state is not JobState.SUCCEEDED))
    return Ending(state, report, outputs, _error(report) if state is JobState.FAILED else None)


def overdue(deadline: float, done: Done | None) -> Ending:
    """How a job ended that was stopped at its deadline; ``done`` is what its worker still said."""
    error = JobError(
        code="deadline",
        message=f"it was not done within its deadline of {deadline:g} s",
        hint="give it a later deadline, or less to do",
    )
    if done is None:
        return Ending(JobState.FAILED, error=error)
    outputs = tuple(_outputs(done.report, done.files, partial=True))
    return Ending(JobState.FAILED, done.report, outputs, error)


def _error(report: RunReport) -> JobError:
    if not report.failures:
        message = report.error or "it failed, and nobody said why"
        return JobError(code=_CODES.get(report.exit_code, "server.error"), message=message)
    first = report.failures[0]
    more = f" (and {len(report.failures) - 1} more)" if len(report.failures) > 1 else ""
    return JobError(
        code=_CODES.get(first.exit_code, "node.failed"),
        message=first.message + more,
        node=first.node,
        type=first.type,
        input=first.input or "",
    )


def _outputs(report: RunReport, files: tuple[File, ...], *, partial: bool) -> Iterator[NewOutput]:
    """Files and values by interface name, then files of which only nodes know."""
    known = {file.path: file for file in files}
    writers = {path: node for node, paths in report.saved.items() for path in paths}
    told: set[str] = set()
    for name, output in report.outputs.items():
        if output.value is not None and not output.paths:
            yield NewOutput(new_id(), name, "", output.type, output.value, partial=partial)
        for path in output.paths:
            if path in known:
                told.add(path)
                value = output.value if path == output.paths[0] else None
                yield _file(known[path], name, writers.get(path, ""), output.type, value, partial)
    for path, node in writers.items():
        if path in known and path not in told:
            yield _file(known[path], "", node, _FILE, None, partial)


def _file(file: File, name: str, node: str, type: str, value: JsonValue, partial: bool) -> NewOutput:
    return NewOutput(
        id=new_id(),
        name=name,
        node=node,
        type=type,
        value=value,
        path=file.path,
        media_type=file.media_type,
        bytes=file.bytes,
        sha256=file.sha256,
        partial=partial,
    )
