"""A digest of the code that computes a node, so that a changed pack never serves yesterday's result."""

import hashlib
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from pydantic import TypeAdapter

from nodeflow.core.atomic import write_whole
from nodeflow.core.discovery import files_of, stamp_of
from nodeflow.core.registry import Registry
from nodeflow.core.spec import Spec

_DIFFUSION = Path(__file__).parent.parent / "diffusion"
_MEMO = TypeAdapter(tuple[str, str])


def code_digest(registry: Registry, spec: Spec, home: Path) -> str:
    """Digest of the files of a node's pack, of the packs it requires and of ``nodeflow.diffusion``.

    Files are read again only when size or time of one has changed since the digest was last made in ``home``.
    A node that was made at run time has the digest it was added with.
    """
    if (known := registry.digests.get(spec.id)) is not None:
        return known
    roots = [root for name in _with_required(registry, spec.pack) if (root := registry.roots.get(name)) is not None]
    files = [file for root in (*roots, _DIFFUSION) for file in files_of(root)]
    stamp = stamp_of(files)
    place = home / "cache" / "manifests" / f"{spec.pack}-{stamp_of([], salt=str(roots))[:12]}.digest"
    with suppress(OSError, ValueError):
        remembered, digest = _MEMO.validate_json(place.read_bytes())
        if remembered == stamp:
            return digest
    digest = _digest(files, (*roots, _DIFFUSION))
    with suppress(OSError):
        write_whole(place, _MEMO.dump_json((stamp, digest)))
    return digest


def _with_required(registry: Registry, pack: str) -> Iterable[str]:
    """The pack and all that it requires, directly or not, in a fixed order."""
    found: dict[str, None] = {}
    waiting = [pack]
    while waiting:
        name = waiting.pop()
        if name not in found and (manifest := registry.packs.get(name)) is not None:
            found[name] = None
            waiting += manifest.requires
    return sorted(found)


def _digest(files: Iterable[Path], roots: Iterable[Path]) -> str:
    """Digest of names and contents; where the packs are installed is not in it."""
    digest = hashlib.sha256()
    tops = [root if root.is_dir() else root.parent for root in roots]
    for file in files:
        inside = next(file.relative_to(top.parent) for top in tops if file.is_relative_to(top))
        with suppress(OSError):
            content = file.read_bytes()
            digest.update(f"{inside.as_posix()}\0{len(content)}\n".encode())
            digest.update(content)
    return digest.hexdigest()
