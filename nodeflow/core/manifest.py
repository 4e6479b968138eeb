"""Manifests: packs as JSON, kept on disk, so that nothing has to be imported to know what there is.

``python -m nodeflow.core.manifest PACKAGE`` writes the snapshot ``spec.json`` of a pack anew.
"""

import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from pydantic import TypeAdapter

from nodeflow.core.code import PackCode
from nodeflow.core.discovery import FoundPack, discover, root_of
from nodeflow.core.errors import PackFailed
from nodeflow.core.manifestcache import ManifestCache
from nodeflow.core.packimport import PackFinder
from nodeflow.core.packs import BUILT_IN, Manifest
from nodeflow.core.registry import Registry

SNAPSHOT = "spec.json"
_MANIFEST = TypeAdapter(Manifest)
_PROCESSES = 4
_PATIENCE_SECONDS = 2.0
"""After this long it is said what is being waited for."""


def load_registry(
    home: Path,
    *,
    packs: Sequence[FoundPack] | None = None,
    seconds: float | None = None,
    tell: Callable[[str], object] | None = None,
) -> Registry:
    """A registry of all packs, from their manifests; a pack whose manifest is not fresh is probed in another process.

    Packs that this process has imported and whose files have changed since are imported anew when they are next used.

    Args:
        home: ``$NODEFLOW_HOME``; nothing needs to be there.
        packs: The packs to load instead of those that are installed.
        seconds: How long a module of a pack may take to be imported when it is probed.
        tell: Told in one line what is being waited for, when that takes long.
    """
    found, problems = discover(home) if packs is None else (tuple(packs), ())
    finder = _finder(found)
    registry = Registry(code=PackCode(finder))
    for problem in problems:
        registry.report(problem)
    shipped = {item: manifest for item in found if (manifest := _shipped(item)) is not None}
    cache = ManifestCache(home, [item for item in found if item not in shipped])
    known = {**shipped, **cache.known(shipped)}
    fresh = _probed([item for item in found if item not in known], finder, seconds, tell)
    manifests = {**known, **fresh}
    cache.keep(manifests, fresh.keys())
    for item in found:
        registry.add(manifests[item], root=item.root, seen=None if item in shipped else cache.seen(item))
    registry.code.forget_stale(registry.packs)
    return registry


def renewed(registry: Registry, home: Path, *, tell: Callable[[str], object] | None = None) -> Registry:
    """The registry of the packs as they are now; the same one when none of them has changed.

    What was added to it at run time is in the new one too.
    """
    now = load_registry(home, tell=tell)
    if now.manifests == registry.manifests and now.code.digests == registry.code.digests:
        return registry
    return now.with_nodes_of(registry)


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


def _finder(packs: Sequence[FoundPack]) -> PackFinder:
    tops = frozenset(item.top for item in packs if item.package != BUILT_IN)
    return PackFinder(tops, {item.top: item.root for item in packs if item.folder and item.root is not None})


def _probed(
    packs: Sequence[FoundPack], finder: PackFinder, seconds: float | None, tell: Callable[[str], object] | None
) -> Mapping[FoundPack, Manifest]:
    """The manifests of packs that have to be imported, each in a process of its own, a few at a time."""
    if not packs:
        return {}
    from concurrent.futures import ThreadPoolExecutor, wait
    from threading import Event

    from nodeflow.core.probe import SECONDS, probe

    stop = Event()
    limit = SECONDS if seconds is None else seconds
    with ThreadPoolExecutor(max_workers=_PROCESSES) as pool:
        try:
            waiting = {pool.submit(probe, pack, finder, limit, stop): pack for pack in packs}
            if tell is not None:
                for late in wait(waiting, timeout=_PATIENCE_SECONDS).not_done:
                    tell(f"waiting for pack {waiting[late].name}: it is new or has changed, and is slow to import")
            return {pack: answer.result() for answer, pack in waiting.items()}
        except BaseException:  # Ctrl-C above all: the pool waits for its threads, so these must not wait for a pack
            stop.set()
            raise


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
