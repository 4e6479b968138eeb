"""The code of packs, imported on demand, and only while it is the code whose digest the session knows."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nodeflow.core.discovery import files_of
from nodeflow.core.errors import PackFailed
from nodeflow.core.foreign import import_attribute
from nodeflow.core.packimport import PackFinder, forget
from nodeflow.core.packs import Manifest
from nodeflow.core.requirements import with_required
from nodeflow.core.stamps import Seen, see

MARK = "__nodeflow_digest__"
"""On the top-level package of a pack that is loaded: the digest of its files at that time."""
_CHANGED = "its files have changed since this session read them; start a new session, or use one with dev=True"


@dataclass(slots=True)
class PackCode:
    """Imports what manifests name.

    Attributes:
        finder: Finds packs; None where all are on the import path.
        roots: Folder or single file of each pack, by the name of the pack.
        seen: The files of packs as they were when this was made; packs without an entry are not watched.
    """

    finder: PackFinder | None = None
    roots: dict[str, Path] = field(default_factory=dict[str, Path])
    seen: dict[str, Seen] = field(default_factory=dict[str, Seen])

    @property
    def digests(self) -> Mapping[str, str]:
        """The digest of the files of each watched pack."""
        return {name: seen.digest for name, seen in self.seen.items()}

    def attribute(self, place: str, pack: str, packs: Mapping[str, Manifest]) -> Any:
        """What stands at ``module:attribute``.

        Raises:
            PackFailed: When it cannot be imported, or is not the code that was there when this was made.
        """
        if self.finder is not None:
            self.finder.install()
        watched = [name for name in with_required(packs, pack) if name in self.seen]
        if place.partition(":")[0] not in sys.modules:
            for name in watched:
                self._check_files(name)
        try:
            value = import_attribute(pack, place)
        finally:
            marks = self._marks(packs)
        for name in watched:
            if marks.get(name, self.seen[name].digest) != self.seen[name].digest:
                raise PackFailed(name, _CHANGED)
        return value

    def forget_stale(self, packs: Mapping[str, Manifest]) -> None:
        """Make Python import anew the packs whose files have changed since it did, and all that require them."""
        stale = {name for name, mark in self._marks(packs).items() if mark != self.seen[name].digest}
        followers = [pack for name, pack in packs.items() if stale.intersection(with_required(packs, name))]
        if followers:
            forget({_top(pack) for pack in followers})

    def _check_files(self, name: str) -> None:
        root, seen = self.roots[name], self.seen[name]
        if see(list(files_of(root)), root.parent, seen).digest != seen.digest:
            raise PackFailed(name, _CHANGED)

    def _marks(self, packs: Mapping[str, Manifest]) -> Mapping[str, str]:
        """The digests of the watched packs that are loaded; one without a mark gets that of today."""
        loaded = {name: sys.modules.get(_top(packs[name])) for name in self.seen if name in packs}
        return {
            name: vars(module).setdefault(MARK, self.seen[name].digest)
            for name, module in loaded.items()
            if module is not None
        }


def _top(manifest: Manifest) -> str:
    return manifest.package.partition(".")[0]
