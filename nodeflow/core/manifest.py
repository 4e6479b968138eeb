"""Manifests: packs as JSON, kept on disk, so that nothing has to be imported to know what there is.

``python -m nodeflow.core.manifest PACKAGE`` writes the snapshot ``spec.json`` of a pack anew.
"""

import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter

from nodeflow.core.atomic import write_whole
from nodeflow.core.discovery import FoundPack, discover, files_of, root_of, stamp_of
from nodeflow.core.errors import PackFailed
from nodeflow.core.packs import BUILT_IN, Manifest
from nodeflow.core.registry import Registry

SNAPSHOT = "spec.json"
_MANIFEST = TypeAdapter(Manifest)
_CORE = Path(__file__).parent
_PROCESSES = 4


@dataclass(frozen=True, slots=True)
class Entry:
    """A manifest in the cache.

    Attributes:
        stamp: Of the pack's files and of the code that reads specs.
        environment: Of the installed packages; looked at only when something is wrong with the pack, because then
            installing another package may mend it.
    """

    stamp: str
    environment: str
    manifest: Manifest


_ENTRY = TypeAdapter(Entry)


def load_registry(home: Path, *, packs: Sequence[FoundPack] | None = None, seconds: float | None = None) -> Registry:
    """A registry of all packs, from their manifests; a pack whose manifest is not fresh is probed in another process.

    Args:
        home: ``$NODEFLOW_HOME``; nothing needs to be there.
        packs: The packs to load instead of those that are installed.
        seconds: How long a module of a pack may take to be imported when it is probed.
    """
    found, problems = discover(home) if packs is None else (tuple(packs), ())
    folders = {item.top: item.root for item in found if item.folder and item.root is not None}
    registry = Registry(folders=folders)
    for problem in problems:
        registry.report(problem)
    known = {item: _shipped(item) or _cached(item, home) for item in found}
    fresh = _probed([item for item in found if known[item] is None], home, folders, seconds)
    for item in found:
        registry.add(known[item] or fresh[item], root=item.root)
    return registry


def dump_manifest(manifest: Manifest) -> bytes:
    """A manifest as the text of ``spec.json``; what has its default is left out."""
    return _MANIFEST.dump_json(manifest, indent=1, exclude_defaults=True) + b"\n"


def parse_manifest(data: bytes) -> Manifest:
    """Read what ``dump_manifest`` wrote; raises ValueError on anything else."""
    return _MANIFEST.validate_json(data)


def write_snapshot(package: str) -> Path:
    """Import a pack and write its ``spec.json``.

    Raises:
        PackFailed: When a node of it cannot be read.
    """
    from nodeflow.core.scan import import_pack, scan

    manifest = scan(import_pack(package))
    if manifest.problems:
        raise PackFailed(manifest.name, "; ".join(manifest.problems))
    root = root_of(package)
    assert root is not None, "an imported package has a folder"
    place = root / SNAPSHOT
    place.write_bytes(dump_manifest(manifest))
    return place


def _shipped(pack: FoundPack) -> Manifest | None:
    """The snapshot of the built-in pack, which is part of the same installation and so is always fresh."""
    if pack.package != BUILT_IN or pack.root is None:
        return None
    with suppress(OSError, ValueError):
        return parse_manifest((pack.root / SNAPSHOT).read_bytes())
    return None


def _cached(pack: FoundPack, home: Path) -> Manifest | None:
    with suppress(OSError, ValueError):
        entry = _ENTRY.validate_json(_place(pack, home).read_bytes())
        if entry.stamp == _stamp(pack) and (not entry.manifest.problems or entry.environment == _environment()):
            return entry.manifest
    return None


def _probed(
    packs: Sequence[FoundPack], home: Path, folders: Mapping[str, Path], seconds: float | None
) -> Mapping[FoundPack, Manifest]:
    """The manifests of packs that have to be imported, each in a process of its own, a few at a time."""
    if not packs:
        return {}
    from concurrent.futures import ThreadPoolExecutor
    from threading import Event

    from nodeflow.core.probe import SECONDS, probe

    stop = Event()

    def manifest_of(pack: FoundPack) -> Manifest:
        stamp = _stamp(pack)
        manifest = probe(pack, folders, SECONDS if seconds is None else seconds, stop)
        if stop.is_set():
            return manifest
        with suppress(OSError):
            write_whole(_place(pack, home), _ENTRY.dump_json(Entry(stamp, _environment(), manifest)))
        return manifest

    with ThreadPoolExecutor(max_workers=_PROCESSES) as pool:
        try:
            return dict(zip(packs, pool.map(manifest_of, packs), strict=True))
        except BaseException:  # Ctrl-C above all: the pool waits for its threads, so these must not wait for a pack
            stop.set()
            raise


def _place(pack: FoundPack, home: Path) -> Path:
    """One file per pack, place and interpreter, so that several installations may share a home."""
    where = stamp_of([], salt=f"{pack.root} {sys.prefix}")
    return home / "cache" / "manifests" / f"{pack.package}-{where[:12]}.json"


def _stamp(pack: FoundPack) -> str:
    return stamp_of([*files_of(pack.root), *files_of(_CORE), _CORE.parent / "api.py"], salt=sys.version)


def _environment() -> str:
    return stamp_of([Path(item) for item in sys.path])


def main(arguments: Sequence[str]) -> int:
    """Write the snapshots of the packages that are named."""
    for package in arguments:
        try:
            print(write_snapshot(package))
        except PackFailed as error:
            print(error, file=sys.stderr)
            return error.exit_code
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
