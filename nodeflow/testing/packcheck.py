"""A whole pack checked: its sources, its specs, its snapshot, its import, and every node on examples."""

import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from nodeflow.core.errors import PackFailed
from nodeflow.core.manifest import SNAPSHOT, dump_manifest, load_registry
from nodeflow.core.packs import Manifest
from nodeflow.core.spec import Spec
from nodeflow.core.tables import without
from nodeflow.storage.home import find_home
from nodeflow.testing.declared import id_findings, spec_findings
from nodeflow.testing.findings import SECONDS, Finding, errors, hangs
from nodeflow.testing.inside import Imported
from nodeflow.testing.locating import Target, locate
from nodeflow.testing.outside import Visit, import_seconds, visit
from nodeflow.testing.snapshot import snapshot_findings
from nodeflow.testing.sources import NOWHERE, Place, Sources

IMPORT_SECONDS = 1.0
"""How long importing a pack may take."""

_PLACE = re.compile(r"^(?P<file>[^\s:][^:]*\.py):(?P<line>\d+): |\s?\((?P<file2>[^()]*\.py):(?P<line2>\d+)\)")


def check_pack(pack: str | Path, *, seconds: float = SECONDS, write_spec: bool = False) -> list[Finding]:
    """Everything that is wrong with a pack. It is imported and run in other processes, never in this one.

    Args:
        pack: A folder with ``pyproject.toml`` or ``__init__.py``, or the name of an installed pack.
        seconds: How long importing it, and each run of a node, may take before it counts as hanging.
        write_spec: Write the snapshot ``spec.json`` anew before comparing with it.

    Raises:
        UsageError: There is no such pack.
        PackFailed: It brought the check itself down.
    """
    home = find_home(os.environ)
    return [
        finding
        for target in locate(pack, home)
        for finding in _Check(target, seconds, str(pack)).findings(home.root, write_spec=write_spec)
    ]


def assert_pack(pack: str | Path, *, seconds: float = SECONDS) -> None:
    """The test of a pack's contract: fails with every error of ``check_pack``; notes fail nothing.

    Raises:
        AssertionError: There are errors.
    """
    found = errors(check_pack(pack, seconds=seconds))
    if found:
        raise AssertionError("\n".join([f"{len(found)} findings in {pack}:", *map(str, found)]))


class _Check:
    """One pack under check."""

    def __init__(self, target: Target, seconds: float, asked: str) -> None:
        self.asked = asked
        self.target = target
        self.seconds = seconds
        self.sources = Sources(target.package.partition(".")[0], target.root)

    def findings(self, home: Path, *, write_spec: bool) -> list[Finding]:
        found = list(self.sources.calls())
        visited = visit(self.target, self.seconds)
        found += self._import_findings(visited)
        if visited.imported is None:
            return found
        manifest = visited.imported.manifest
        if write_spec and not manifest.problems and self.target.root.is_dir():
            (self.target.root / SNAPSHOT).write_bytes(dump_manifest(manifest))
        found += self._declared(manifest, home)
        if not manifest.problems:
            found += snapshot_findings(manifest, self.target.root, self.place_of, self.asked)
        refused = {finding.node for finding in found if finding.code == "input.default"}
        for spec in {spec.id: spec for spec in manifest.specs}.values():
            tried = visited.findings.get(spec.id, ())
            found += [item for item in tried if not (spec.id in refused and item.code == "node.not_run")]
            found += self._ended(spec, visited)
        return found

    def _ended(self, spec: Spec, visited: Visit) -> Iterator[Finding]:
        """Why a node did not come back, if it did not."""
        place = self.place_of(spec)
        if spec.id in visited.hung:
            yield hangs(spec.id, self.seconds, place)
        if (fate := visited.crashed.get(spec.id)) is not None:
            way_out = "a node raises and never ends the process; `python -X faulthandler` shows where it crashes"
            yield Finding("node.crashed", spec.id, f"the node ended its process: {fate}", way_out, *place)

    def place_of(self, spec: Spec) -> Place:
        """Where a node is defined."""
        return self.sources.place(spec.implementation)

    def _declared(self, manifest: Manifest, home: Path) -> Iterator[Finding]:
        """Specs and ids, held against those of the packs that are installed beside it."""
        registry = load_registry(home)
        others = [pack for pack in registry.packs.values() if pack.package != manifest.package]

        def choices(table: str) -> Sequence[str]:
            return (*registry.choices(table), *manifest.extensions.get(table, ()))

        for problem in manifest.problems:
            yield _problem(problem)
        for spec in manifest.specs:
            yield from spec_findings(spec, self.place_of(spec), choices)
        yield from id_findings(manifest, others, self.place_of)

    def _import_findings(self, visited: Visit) -> Iterator[Finding]:
        """How long the import took, and what it did meanwhile."""
        imported = visited.imported
        if imported is None:
            way_out = f"try `python -X importtime -c 'import {self.target.package}'`"
            yield Finding("import.fails", "", f"{self.target.package} cannot be imported: {visited.fate}", way_out)
            return
        yield from visited.findings.get("", ())
        if visited.fate:
            raise PackFailed(imported.manifest.name, f"the check was not finished: {visited.fate}")
        for name in imported.heavy:
            place = self.sources.importing(name)
            message = f"importing the pack imports {name} ({visited.times.get(name, 0.0):.1f} s)"
            way_out = f"move `import {name}` into the functions that need it"
            yield Finding("import.heavy", "", message, way_out, *place)
        if not imported.heavy:
            yield from self._slow(visited, imported)
        for item in imported.seen:
            if item.kind in _AT_IMPORT:
                code, message, way_out = _AT_IMPORT[item.kind]
                told = f"importing the pack: {message.format(what=item.what)}"
                yield Finding(code, "", told, way_out, item.file, item.line)

    def _slow(self, visited: Visit, imported: Imported) -> Iterator[Finding]:
        if imported.seconds <= IMPORT_SECONDS:
            return
        # Once more: the first time, the bytecode may have been written and the files read from the disk.
        again = min(imported.seconds, import_seconds(self.target, self.seconds))
        if again <= IMPORT_SECONDS:
            return
        most = sorted(visited.times.items(), key=lambda item: item[1], reverse=True)
        own = (self.sources.package, "nodeflow", "nodeflow_nodes")
        named = [name for name, seconds in most if seconds >= _WORTH_NAMING and "." not in name and name not in own]
        place = next((place for name in named if (place := self.sources.importing(name)) != NOWHERE), NOWHERE)
        message = f"importing the pack takes {again:.1f} s, more than {IMPORT_SECONDS:g} s"
        message += f"; much of it for {', '.join(named[:3])}" if named else ""
        yield Finding("import.slow", "", message, "move imports and work into the functions that need them", *place)


_WORTH_NAMING = 0.2
_AT_IMPORT = {
    "print": ("import.print", "it prints {what}", "nothing happens at import; use run.show in a node"),
    "network": ("import.network", "it opens a connection to {what}", "ask in a node with kind=Kind.EXTERNAL"),
    "write": ("file.write", "it writes {what}", "write with run.save in an effect"),
}


def _problem(text: str) -> Finding:
    """A problem of a manifest as a finding: its text starts or ends with file and line."""
    code = "import.fails" if "cannot be imported" in text else "node.unreadable"
    text, _, node = text.partition(without(""))
    found = _PLACE.search(text)
    way_out = "mend it: what cannot be read is missing from the pack"
    if found is None:
        return Finding(code, node, text, way_out)
    file, line = found["file"] or found["file2"], found["line"] or found["line2"]
    return Finding(code, node, text.replace(found[0], "").strip(), way_out, file, int(line))
