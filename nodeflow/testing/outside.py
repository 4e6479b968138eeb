"""The visit to a pack: another process imports it and tries its nodes, and here is told how that went."""

import os
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic

from nodeflow.testing.findings import Finding
from nodeflow.testing.inside import EVENT, IMPORTED, REQUEST, Event, Imported, Request
from nodeflow.testing.locating import Target

_START_SECONDS = 60.0
_LOOK_SECONDS = 0.02
_COMMAND = "import sys; from nodeflow.testing.inside import main; main(*sys.argv[1:])"
_TIME = re.compile(r"import time:\s+\d+ \|\s+(\d+) \|\s+(\S+)$", re.MULTILINE)


@dataclass(slots=True)
class Visit:
    """What is known after a visit.

    Attributes:
        imported: How the import went; None when it did not come back.
        fate: How it ended instead.
        times: Seconds that importing each module took, with all that it imports itself.
        findings: By id of the node; those about the examples as a whole under an empty id.
        hung: Ids of nodes that did not come back in time.
        crashed: Ids of nodes that ended the process, with how.
    """

    imported: Imported | None = None
    fate: str = ""
    times: Mapping[str, float] = field(default_factory=dict[str, float])
    findings: dict[str, tuple[Finding, ...]] = field(default_factory=dict[str, tuple[Finding, ...]])
    hung: set[str] = field(default_factory=set[str])
    crashed: dict[str, str] = field(default_factory=dict[str, str])


def visit(target: Target, seconds: float) -> Visit:
    """Import a pack and try its nodes; one that hangs or ends the process is left out and the others are tried.

    Args:
        target: What to import.
        seconds: How long the import and each node may take.
    """
    seen = Visit()
    while True:
        answer = _ask(target, seconds, (*seen.hung, *seen.crashed))
        for event in answer.events:
            seen.imported = seen.imported or event.imported
            if event.findings is not None:
                seen.findings.setdefault(event.name or "", event.findings)
        seen.times = seen.times or answer.times
        last = answer.events[-1] if answer.events else Event("")
        if last.name is None:
            return seen
        if not last.name or not last.begins:
            seen.fate = answer.fate
            return seen
        if answer.late:
            seen.hung.add(last.name)
        else:
            seen.crashed[last.name] = answer.fate


def import_seconds(target: Target, seconds: float) -> float:
    """How long the import takes in a process that does nothing else."""
    events = _ask(target, seconds, (), only_import=True).events
    return next((event.imported.seconds for event in events if event.imported is not None), seconds)


@dataclass(frozen=True, slots=True)
class _Answer:
    """What one process reported.

    Attributes:
        fate: How it ended.
        late: It was ended because it did not come back.
    """

    events: Sequence[Event]
    fate: str
    late: bool
    times: Mapping[str, float]


def _ask(target: Target, seconds: float, skip: tuple[str, ...], *, only_import: bool = False) -> _Answer:
    request = Request(target.package, target.root, target.path, target.project, skip, only_import)
    with TemporaryDirectory(prefix="nodeflow-check-", ignore_cleanup_errors=True) as folder:
        ask, report, said, work = (Path(folder, name) for name in ("request", "report", "stderr", "work"))
        ask.write_bytes(REQUEST.dump_json(request))
        report.touch()
        work.mkdir()
        with said.open("wb") as stderr:
            process = subprocess.Popen(
                [sys.executable, "-P", "-X", "importtime", "-c", _COMMAND, str(ask), str(report), str(os.getpid())],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=stderr,
                cwd=work,
                env=os.environ | {"PYTHONPATH": os.pathsep.join(map(os.path.abspath, sys.path))},
                start_new_session=True,
            )
            try:
                code = _wait(process, report, seconds)
            finally:
                process.kill()
                process.wait()
        events = [EVENT.validate_json(line) for line in report.read_bytes().split(b"\n")[:-1]]
        text = said.read_text(encoding="utf-8", errors="replace")
        fate = f"it did not come back within {seconds:g} s" if code is None else _fate(code, text)
        return _Answer(events, fate, code is None, _times(text))


def _wait(process: subprocess.Popen[bytes], report: Path, seconds: float) -> int | None:
    """Wait for the end as long as something is reported every few ``seconds``; None when it was not worth waiting."""
    size, deadline = 0, monotonic() + _START_SECONDS
    while True:
        try:
            return process.wait(timeout=_LOOK_SECONDS)
        except subprocess.TimeoutExpired:
            if (now := report.stat().st_size) != size:
                size, deadline = now, monotonic() + (seconds if _is_busy(report) else _START_SECONDS)
            elif monotonic() > deadline:
                return None


def _is_busy(report: Path) -> bool:
    """Whether the last thing told is that something of the pack begins, and not that our own work goes on."""
    return EVENT.validate_json(report.read_bytes().split(b"\n")[-2]).begins


def _fate(code: int, text: str) -> str:
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("import time:")]
    how = f"exit code {code}" if code >= 0 else f"signal {-code}"
    return f"{how}: {lines[-1].strip()}" if lines and lines[-1] != IMPORTED else how


def _times(text: str) -> Mapping[str, float]:
    before, _, _ = text.partition(IMPORTED)
    return {name: int(micros) / 1e6 for micros, name in _TIME.findall(before)}
