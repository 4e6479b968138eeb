"""Input files that documents name: where they are looked for, and which file a name means."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from nodeflow.storage.containment import NameRefused, contains, relative_name


@dataclass(frozen=True, slots=True)
class InputFiles:
    """Folders in the order of precedence: ``--input-dir``, the document's folder, ``$NODEFLOW_HOME/input``."""

    folders: tuple[Path, ...]

    def find(self, name: str) -> Path | None:
        """The file called ``name``, or None; links that leave the folder are not followed."""
        try:
            parts = relative_name(name)
        except NameRefused:
            return None
        for folder in self.folders:
            path = folder / parts
            if path.is_file() and contains(folder, path):
                return path
        return None

    def find_folder(self, name: str) -> Path | None:
        """The folder called ``name``, or None; ``.`` is the first of the folders that there is."""
        if name == ".":
            return next((folder for folder in self.folders if folder.is_dir()), None)
        try:
            parts = relative_name(name)
        except NameRefused:
            return None
        places = ((folder, folder / parts) for folder in self.folders)
        return next((path for folder, path in places if path.is_dir() and contains(folder, path)), None)

    def names(self) -> Sequence[str]:
        """Names in the folders themselves (not in sub-folders), to suggest from."""
        found = set[str]()
        for folder in self.folders:
            if folder.is_dir():
                visible = (entry for entry in folder.iterdir() if not entry.name.startswith("."))
                found.update(entry.name for entry in visible if entry.is_file())
        return sorted(found)


def files_in(folder: Path) -> Sequence[Path]:
    """The files that lie in a folder itself, by name; hidden ones and links that leave it are not among them.

    Raises:
        OSError: The folder cannot be read.
    """
    entries = (entry for entry in folder.iterdir() if not entry.name.startswith("."))
    return sorted(entry for entry in entries if entry.is_file() and contains(folder, entry))
