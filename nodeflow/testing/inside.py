"""The process in which a pack is imported and its nodes are tried, so that what it does harms nobody else."""

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Final

from pydantic import TypeAdapter

from nodeflow.core.errors import PackFailed
from nodeflow.core.packs import Manifest, Pack
from nodeflow.core.probe import guard
from nodeflow.core.raised import told
from nodeflow.core.scan import import_pack, scan
from nodeflow.core.spec import Spec
from nodeflow.core.suggest import did_you_mean
from nodeflow.core.tables import without
from nodeflow.testing.findings import Finding
from nodeflow.testing.watching import Seen, Watch

if TYPE_CHECKING:
    from nodeflow.testing.examples import Gives

HEAVY: Final = ("torch", "transformers", "diffusers", "tensorflow", "jax")
"""Libraries that take a second or more, and much memory, to be imported."""

IMPORTED: Final = "nodeflow: the pack is imported"
"""Parts what ``-X importtime`` says of the pack from what it says of all that comes later."""


@dataclass(frozen=True, slots=True)
class Request:
    """What the process is to do.

    Attributes:
        path: Goes first on the import path.
        project: Where the author's examples are.
        skip: Ids of nodes that are known not to come back.
        only_import: Whether to leave it at the import.
    """

    package: str
    root: Path
    path: Path
    project: Path
    skip: tuple[str, ...] = ()
    only_import: bool = False


@dataclass(frozen=True, slots=True)
class Imported:
    """How the import went.

    Attributes:
        heavy: Large libraries that were loaded by it.
    """

    manifest: Manifest
    seconds: float
    heavy: tuple[str, ...]
    seen: tuple[Seen, ...]


@dataclass(frozen=True, slots=True)
class Event:
    """One line of the report: something begins, or it has ended with a result.

    Attributes:
        name: Id of a node; empty for the import, None at the very end.
    """

    name: str | None
    imported: Imported | None = None
    findings: tuple[Finding, ...] | None = None

    @property
    def begins(self) -> bool:
        """Whether nothing is known yet."""
        return self.imported is None and self.findings is None


_EVERYBODYS: Final = ("nodeflow.api", "nodeflow.diffusion.types")
"""What every pack imports; the time of these is not the pack's."""

REQUEST = TypeAdapter(Request)
EVENT = TypeAdapter(Event)
Tell = Callable[[Event], object]


def main(request_file: str, report_file: str, parent: str) -> None:
    """Do what is asked for, and append one event a line to the report; ends the process."""
    guard(int(parent))
    request = REQUEST.validate_json(Path(request_file).read_bytes())
    with Path(report_file).open("ab", buffering=0) as report:
        _work(request, lambda event: report.write(EVENT.dump_json(event) + b"\n"))
    os._exit(0)  # whatever threads the pack may have started


def _work(request: Request, tell: Tell) -> None:
    for name in _EVERYBODYS:
        import_module(name)
    sys.path.insert(0, str(request.path))
    watch = Watch(request.root)
    watch.install()
    tell(Event(""))
    pack, imported = _imported(request, watch)
    print(IMPORTED, file=sys.stderr, flush=True)
    tell(Event("", imported=imported))
    if pack is not None and not request.only_import:
        _try_all(request, pack, imported.manifest, watch, tell)
    tell(Event(None))


def _imported(request: Request, watch: Watch) -> tuple[Pack | None, Imported]:
    known = set(sys.modules)
    started = perf_counter()
    pack: Pack | None = None
    with watch.during() as seen:
        try:
            pack = import_pack(request.package)
            manifest = scan(pack)
        except PackFailed as error:
            manifest = Manifest(error.pack, package=request.package, problems=(error.reason,))
    seconds = perf_counter() - started
    heavy = tuple(name for name in HEAVY if name in sys.modules and name not in known)
    return pack, Imported(manifest, seconds, heavy, tuple(seen))


def _try_all(request: Request, pack: Pack, manifest: Manifest, watch: Watch, tell: Tell) -> None:
    """Try every node, those whose inputs other nodes of the pack give after these."""
    from nodeflow.testing.bench import bench, registry_of
    from nodeflow.testing.examples import FILE, Maker, load_examples
    from nodeflow.testing.nodecheck import Trial

    gives: Gives = {}
    try:
        gives = load_examples(request.project)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - a file of the author's, which may do anything
        message = f"{FILE} cannot be used: {told(error)}"
        tell(Event("", findings=(Finding("example.fails", "", message, "mend it; it is run as it stands"),)))
    if strays := tuple(_strays(gives, manifest)):
        tell(Event("", findings=strays))
    registry = registry_of([pack])
    with bench(registry) as session:
        trial = Trial(session, Maker(registry.choices, session.picture), watch, lambda spec: tell(Event(spec.id)))
        tried = (spec for spec in manifest.specs if spec.id not in request.skip and spec.id in registry.specs)
        waiting = {spec.id: spec for spec in tried}
        for spec, last in _in_order(waiting):
            tell(Event(spec.id))
            findings = trial.findings(spec, registry.implementation(spec), gives.get(spec.id, ()))
            if last or not any(item.code == "node.not_run" for item in findings):
                waiting.pop(spec.id)
                tell(Event(spec.id, findings=tuple(findings)))


def _strays(gives: "Gives", manifest: Manifest) -> Iterator[Finding]:
    """Examples for nodes that the pack does not have; of one that could not be read its own fault is told."""
    from nodeflow.testing.verdicts import example_fault

    known = [spec.id for spec in manifest.specs]
    for id, functions in gives.items():
        if id not in known and not any(problem.endswith(without(id)) for problem in manifest.problems):
            way_out = did_you_mean(id, known) or "name a node of the pack"
            for give in functions:
                yield example_fault("", give, f'is for the node "{id}", which the pack does not have', way_out)


def _in_order(waiting: Mapping[str, Spec]) -> Iterator[tuple[Spec, bool]]:
    """Node after node, again and again as long as one of a round could be run, and a last time for the others."""
    last = False
    while waiting:
        before = len(waiting)
        for spec in list(waiting.values()):
            yield spec, last
        if last:
            return
        last = len(waiting) == before
