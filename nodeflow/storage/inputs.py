"""Input files that documents name: where they are looked for, and which file a name means."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from nodeflow.storage.containment import NameRefused, contains, relative_name


@dataclass(frozen=True, slots=True)
class InputFiles:
    """Folders in the order of precedence, and single files that the caller named outright.

    Attributes:
        folders: Such as ``--input-dir``, the document's folder, ``$NODEFLOW_HOME/input``.
        granted: Files by the name a document uses for them, wherever they are.
    """

    folders: tuple[Path, ...]
    granted: Mapping[str, Path] = field(default_factory=dict[str, Path])

    def find(self, name: str) -> Path | None:
        """The file called ``name``, or None; links that leave the folder are not followed."""
        if name in self.granted:
            return self.granted[name]
        try:
            parts = relative_name(name)
        except NameRefused:
            return None
        for folder in self.folders:
            path = folder / parts
            if path.is_file() and contains(folder, path):
                return path
        return None

    def names(self) -> Sequence[str]:
        """Names in the folders themselves (not in sub-folders), to suggest from."""
        found = set(self.granted)
        for folder in self.folders:
            if folder.is_dir():
                visible = (entry for entry in folder.iterdir() if not entry.name.startswith("."))
                found.update(entry.name for entry in visible if entry.is_file())
        return sorted(found)
