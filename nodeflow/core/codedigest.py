"""A digest of the code that computes a node, so that a changed pack never serves yesterday's result."""

import hashlib
import sys
from contextlib import suppress
from pathlib import Path

from pydantic import TypeAdapter

from nodeflow.core.atomic import write_whole
from nodeflow.core.canonical import record_text
from nodeflow.core.code import MARK
from nodeflow.core.discovery import files_of
from nodeflow.core.json import JsonValue
from nodeflow.core.packs import BUILT_IN
from nodeflow.core.registry import Registry
from nodeflow.core.requirements import with_required
from nodeflow.core.spec import Spec
from nodeflow.core.stamps import Seen, see, stamp_of

_DIFFUSION = Path(__file__).parent.parent / "diffusion"
_SEEN = TypeAdapter(Seen)


def code_digest(registry: Registry, spec: Spec, home: Path) -> str:
    """Digest of all but inputs and environment that decides what a node computes.

    That is the files of its pack, of the packs it requires and of ``nodeflow.diffusion``, and the settings of these
    packs. A node that was made at run time has the digest it was added with.
    """
    known = registry.digests.get(spec.id)
    return known if known is not None else pack_digest(registry, spec.pack, home, settings=True)


def pack_digest(registry: Registry, pack: str, home: Path, *, settings: bool = False) -> str:
    """Digest of the files behind a pack, the same on every machine; with ``settings`` that of this user's choices too.

    Files are read again only when one has changed since the digest was last made in ``home``.
    """
    names = with_required(registry.packs, pack)
    digest = hashlib.sha256(_digest_of("nodeflow.diffusion", _DIFFUSION, home).encode())
    for name in names:
        digest.update(f"\n{name} {_files_digest(registry, name, home)}".encode())
        if settings and (values := registry.settings(name)):
            record: dict[str, JsonValue] = dict(values)
            digest.update(f" {record_text(record)}".encode())
    return digest.hexdigest()


def pin_digest(registry: Registry, pack: str, home: Path) -> str:
    """Digest of a pack's own files, as documents pin it; that of the built-in pack covers ``nodeflow.diffusion``."""
    return pack_digest(registry, pack, home) if pack == BUILT_IN else _files_digest(registry, pack, home)


def _files_digest(registry: Registry, pack: str, home: Path) -> str:
    seen, root, manifest = registry.code.seen.get(pack), registry.roots.get(pack), registry.packs.get(pack)
    if seen is not None:
        return seen.digest
    return "" if root is None or manifest is None else _digest_of(manifest.package.partition(".")[0], root, home)


def _digest_of(package: str, root: Path, home: Path) -> str:
    """The digest of the files of a package; of one that is loaded as they were when this was first asked.

    So what a process computes with the code that it has loaded is never taken for the work of newer code.
    """
    module = sys.modules.get(package)
    if module is None or Path(str(getattr(module, "__file__", ""))) not in (root, root / "__init__.py"):
        return _digest_now(root, home)
    mark: str | None = vars(module).get(MARK)
    if mark is None:
        mark = vars(module)[MARK] = _digest_now(root, home)
    return mark


def _digest_now(root: Path, home: Path) -> str:
    """The digest of the files below a folder, or of a single file, remembered in ``home``."""
    place = home / "cache" / "manifests" / f"{root.stem}-{stamp_of([], salt=str(root))[:12]}.digest"
    known: Seen | None = None
    with suppress(OSError, ValueError):
        known = _SEEN.validate_json(place.read_bytes())
    seen = see(list(files_of(root)), root.parent, known)
    if seen != known:
        with suppress(OSError):
            write_whole(place, _SEEN.dump_json(seen))
    return seen.digest
