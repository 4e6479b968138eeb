"""Packs imported in a process of their own, so that one that hangs, exits or crashes takes nothing with it."""

import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event as Flag
from threading import Thread
from time import monotonic, sleep

from pydantic import TypeAdapter, ValidationError

from nodeflow.core.discovery import FoundPack
from nodeflow.core.errors import PackFailed
from nodeflow.core.packimport import PackFinder
from nodeflow.core.packs import BUILT_IN, Manifest, Pack
from nodeflow.core.raised import told
from nodeflow.core.scan import described, import_pack, joined, scan_modules

SECONDS = 30.0
"""How long a module may take to be imported."""
_START_SECONDS = 60.0
_GUARD_SECONDS = 0.5
_LOOK_SECONDS = 0.1
_COMMAND = """import os, sys
from nodeflow.core.probe import guard, serve
guard(int(sys.argv[3]))
serve(sys.argv[1], sys.argv[2])
os._exit(0)"""
"""Ends at once, whatever threads the pack may have started."""


@dataclass(frozen=True, slots=True)
class Request:
    """What the other process is to import.

    Attributes:
        name: What the pack is called if it cannot say so.
        skip: Modules that were read before, or are known to fail.
        tops: Names of the top-level packages of all packs.
        folders: Folder packs, which the pack may need.
    """

    name: str
    package: str
    skip: tuple[str, ...]
    tops: frozenset[str]
    folders: Mapping[str, Path]


@dataclass(frozen=True, slots=True)
class Event:
    """One line of what the other process reports.

    Attributes:
        module: Relative to the package; empty for the package itself, None when all is done.
        found: What the module adds to the manifest; None when its import begins.
    """

    module: str | None
    found: Manifest | None = None


_REQUEST = TypeAdapter(Request)
_EVENT = TypeAdapter(Event)


def probe(pack: FoundPack, finder: PackFinder, seconds: float = SECONDS, stop: Flag | None = None) -> Manifest:
    """The manifest of a pack, made in another process.

    A module that does not come back is left out, with the reason among the problems; the others are read without it.

    Args:
        pack: What to import.
        finder: Finds it, and other packs that it may need.
        seconds: How long one module may take.
        stop: Once set, nobody waits for the answer any more, and the other process is ended.
    """
    manifest = Manifest(pack.name, package=pack.package)
    skip: list[str] = []
    while True:
        try:
            request = Request(pack.name, pack.package, tuple(skip), finder.tops, finder.folders)
            events, fate = _ask(request, seconds, stop or Flag())
        except OSError as error:
            events, fate = (), f"no process could be started for it: {error}"
        for event in events:
            if event.module == "" and event.found is not None:
                manifest = event.found
            elif event.module and event.found is not None:
                manifest = joined(manifest, event.found)
        last = events[-1] if events else Event("")
        if last.module is None:
            return manifest
        name = f"{pack.package}.{last.module}" if last.module else pack.package
        manifest = joined(manifest, Manifest(manifest.name, problems=(f"{name} cannot be imported: {fate}",)))
        if last.module == "":
            return manifest
        skip += [event.module for event in events if event.module and event.found is None]
        skip.append("")


def guard(parent: int) -> None:
    """End this process soon after its parent has ended, however that was, so that none is left behind."""

    def watch() -> None:
        while os.getppid() == parent:
            sleep(_GUARD_SECONDS)
        os._exit(1)

    Thread(target=watch, daemon=True).start()


def serve(request_file: str, report_file: str) -> None:
    """The other process: import what is asked for and append one event a line to the report."""
    request = _REQUEST.validate_json(Path(request_file).read_bytes())
    with Path(report_file).open("ab", buffering=0) as report:
        _import(request, lambda event: report.write(_line(event, request) + b"\n"))


def _line(event: Event, request: Request) -> bytes:
    """An event as it is reported; what could not be read again, because a pack gives no plain data, is a problem."""
    line = _EVENT.dump_json(event, warnings=False)
    try:
        _EVENT.validate_json(line)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        module = f"{request.package}.{event.module}" if event.module else request.package
        reason = f"{module} declares a wrong {_place(first['loc'], event)}: {first['msg']}, found {first['input']!r}"
        broken = Manifest(request.name, package=request.package, problems=(reason,))
        line = _EVENT.dump_json(Event(event.module, broken))
    return line


def _place(path: Sequence[str | int], event: Event) -> str:
    match path:
        case ["found", "specs", int(index), *inside] if event.found is not None:
            return f"{'.'.join(map(str, inside))} of the node {event.found.specs[index].id}"
        case _:
            return ".".join(str(part) for part in path if part != "found")


def _import(request: Request, tell: Callable[[Event], object]) -> None:
    PackFinder(request.tops, request.folders).install()
    tell(Event(""))
    try:
        _scan(import_pack(request.package), request, tell)
    except PackFailed as error:
        tell(Event("", Manifest(request.name, package=request.package, problems=(error.reason,))))
    except (TypeError, ValueError, AttributeError) as error:
        reason = f"the Pack(…) of {request.package} cannot be read: {told(error)}"
        tell(Event("", Manifest(request.name, package=request.package, problems=(reason,))))
    tell(Event(None))


def _scan(pack: Pack, request: Request, tell: Callable[[Event], object]) -> None:
    others = request.tops.union({BUILT_IN}) - {request.package.partition(".")[0]}
    for module, found in scan_modules(pack, skip=request.skip, begin=lambda module: tell(Event(module))):
        seen = replace(found, imports=tuple(sorted(others.intersection(sys.modules))))
        tell(Event(module, seen if module else joined(described(pack), seen)))


def _ask(request: Request, seconds: float, stop: Flag) -> tuple[Sequence[Event], str]:
    """The events that the other process reported, and how it ended."""
    with TemporaryDirectory(prefix="nodeflow-", ignore_cleanup_errors=True) as folder:
        ask, report = Path(folder, "request"), Path(folder, "report")
        ask.write_bytes(_REQUEST.dump_json(request))
        report.touch()
        process = subprocess.Popen(
            [sys.executable, "-P", "-c", _COMMAND, str(ask), str(report), str(os.getpid())],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            start_new_session=True,  # Ctrl-C is for us; a pack is not broken because somebody stopped us
        )
        try:
            fate = _wait(process, report, seconds, stop)
        finally:
            process.kill()
            process.wait()
        return [_EVENT.validate_json(line) for line in report.read_bytes().split(b"\n")[:-1]], fate


def _wait(process: subprocess.Popen[bytes], report: Path, seconds: float, stop: Flag) -> str:
    """Wait for the end as long as something is reported every few ``seconds``; say how the process ended."""
    seen, deadline = 0, monotonic() + _START_SECONDS
    while True:
        try:
            code = process.wait(timeout=_LOOK_SECONDS)
        except subprocess.TimeoutExpired:
            size = report.stat().st_size
            if size != seen:
                seen, deadline = size, monotonic() + seconds
            elif monotonic() > deadline:
                return f"it did not come back within {seconds:g} seconds"
            if stop.is_set():
                return "nobody waits for it any more"
        else:
            return f"its process ended with {f'exit code {code}' if code >= 0 else f'signal {-code}'}"
