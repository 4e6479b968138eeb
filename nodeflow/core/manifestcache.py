"""Manifests remembered on disk, each believed as long as all that it was made from is as it was."""

import hashlib
import sys
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from pydantic import TypeAdapter

from nodeflow.core.atomic import write_whole
from nodeflow.core.discovery import FoundPack, files_of
from nodeflow.core.packs import Manifest
from nodeflow.core.requirements import with_required
from nodeflow.core.stamps import Seen, see, stamp_of

_CORE = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Entry:
    """A manifest in the cache, with what it was made from.

    Attributes:
        reader: Stamp of the code that reads specs.
        seen: The pack's own files.
        required: Digest of the files of the packs it requires.
        surroundings: Of the import path and of the other packs; looked at only when something is wrong with the pack,
            because then installing another one may mend it.
    """

    reader: str
    seen: Seen
    required: str
    surroundings: str
    manifest: Manifest


_ENTRY = TypeAdapter(Entry)


class ManifestCache:
    """What is remembered of the packs of one home, looked at once."""

    def __init__(self, home: Path, packs: Sequence[FoundPack]) -> None:
        self._home = home
        self._packs = packs
        self._entries = {pack: entry for pack in packs if (entry := self._read(pack)) is not None}
        self._seen: dict[FoundPack, Seen] = {}

    def seen(self, pack: FoundPack) -> Seen:
        """The files of a pack as they were when this was first asked."""
        found = self._seen.get(pack)
        if found is None:
            known = self._entries[pack].seen if pack in self._entries else None
            top = Path() if pack.root is None else pack.root.parent
            found = self._seen[pack] = see(list(files_of(pack.root)), top, known)
        return found

    def known(self, others: Mapping[FoundPack, Manifest]) -> dict[FoundPack, Manifest]:
        """The manifests that are still true.

        Args:
            others: Manifests that are known without this cache.
        """
        entries = {pack: entry for pack, entry in self._entries.items() if self._is_as_it_was(pack, entry)}
        manifests = {**others, **{pack: entry.manifest for pack, entry in entries.items()}}
        return {
            pack: entry.manifest
            for pack, entry in entries.items()
            if entry.required == self._required(entry.manifest, manifests)
        }

    def keep(self, manifests: Mapping[FoundPack, Manifest], made: Collection[FoundPack]) -> None:
        """Remember the manifests that were made, and that files which looked unsettled have settled since.

        Args:
            manifests: Those of all packs.
            made: The packs whose manifests are new.
        """
        for pack, manifest in manifests.items():
            entry = self._entries.get(pack)
            if pack in made or (entry is not None and entry.seen != self.seen(pack)):
                required = self._required(manifest, manifests)
                entry = Entry(self._reader, self.seen(pack), required, self._surroundings(pack), manifest)
                with suppress(OSError):
                    write_whole(self._place(pack), _ENTRY.dump_json(entry))

    def _is_as_it_was(self, pack: FoundPack, entry: Entry) -> bool:
        if entry.reader != self._reader or entry.seen.digest != self.seen(pack).digest:
            return False
        return not entry.manifest.problems or entry.surroundings == self._surroundings(pack)

    def _required(self, manifest: Manifest, manifests: Mapping[FoundPack, Manifest]) -> str:
        by_name = {known.name: pack for pack, known in manifests.items()}
        names = with_required({known.name: known for known in manifests.values()}, manifest.name)
        digests = (f"{name} {self.seen(by_name[name]).digest}\n" for name in names if name != manifest.name)
        return hashlib.sha256("".join(digests).encode()).hexdigest()

    def _surroundings(self, pack: FoundPack) -> str:
        others = (f"{other.package} {self.seen(other).digest}" for other in self._packs if other != pack)
        return stamp_of(map(Path, sys.path), salt="\n".join(others))

    @cached_property
    def _reader(self) -> str:
        return stamp_of([*files_of(_CORE), _CORE.parent / "api.py"], salt=sys.version)

    def _read(self, pack: FoundPack) -> Entry | None:
        with suppress(OSError, ValueError):
            return _ENTRY.validate_json(self._place(pack).read_bytes())
        return None

    def _place(self, pack: FoundPack) -> Path:
        """One file per pack, place and interpreter, so that several installations may share a home."""
        where = stamp_of([], salt=f"{pack.root} {sys.prefix}")
        return self._home / "cache" / "manifests" / f"{pack.package}-{where[:12]}.json"
