"""How the code of packs is found, compiled and forgotten again, so that what runs is what stands in the files."""

import importlib
import sys
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.util import spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any
from zlib import crc32


class SourceLoader(SourceFileLoader):
    """Takes compiled code only when it was compiled from the very text that is in the file now.

    Python itself compares seconds and sizes, so that a file saved twice within a second may run as it was before.
    """

    def path_stats(self, path: Any) -> Mapping[str, Any]:
        """What compiled code is held against: the text takes the place of the time."""
        text = self.get_data(path)
        return {"mtime": crc32(text), "size": len(text)}


@dataclass(frozen=True, slots=True)
class PackFinder:
    """Finds packs: those that are installed where they are, folder packs under the names of their folders.

    Attributes:
        tops: Names of the top-level packages of all packs.
        folders: Folders of those that are not on the import path.
    """

    tops: frozenset[str]
    folders: Mapping[str, Path]

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The place of a module of a pack; part of the protocol of ``sys.meta_path``."""
        if fullname.partition(".")[0] not in self.tops:
            return None
        spec = _found_by_others(fullname, path, target)
        if spec is None and (folder := self.folders.get(fullname)) is not None:
            spec = spec_from_file_location(fullname, folder / "__init__.py", submodule_search_locations=[str(folder)])
        if spec is not None and type(spec.loader) is SourceFileLoader:
            spec.loader = SourceLoader(fullname, spec.loader.path)
        return spec

    def install(self) -> None:
        """Put this finder first on ``sys.meta_path``, unless an equal one is there."""
        if self not in sys.meta_path:
            sys.meta_path.insert(0, self)


def forget(tops: Collection[str]) -> None:
    """Make Python import packages anew when they are next asked for; what was made of them before stays as it is."""
    for name in [name for name in sys.modules if name.partition(".")[0] in tops]:
        del sys.modules[name]
    importlib.invalidate_caches()


def _found_by_others(fullname: str, path: Sequence[str] | None, target: ModuleType | None) -> ModuleSpec | None:
    for finder in sys.meta_path:
        if not isinstance(finder, PackFinder) and (spec := finder.find_spec(fullname, path, target)) is not None:
            return spec
    return None
