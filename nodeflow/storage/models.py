"""The user's model files: which folders hold them, and which file a name means."""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from nodeflow.storage.comfyui import read_model_paths
from nodeflow.storage.containment import NameRefused, relative_name
from nodeflow.storage.home import Config, Home

SUFFIXES = frozenset({".safetensors", ".sft", ".ckpt", ".pt", ".pth", ".bin"})
"""What counts as a model file in a listing; a loader decides what it can read and says so."""
_MAX_DEPTH = 12


@dataclass(frozen=True, slots=True)
class Root:
    """One source of model files.

    Attributes:
        label: Where it was named, for listings: ``--models-dir``, ``config.toml``, a pack.
        folders: The folders of each kind, for a source that spells them out.
        path: A folder laid out as ``PATH/KIND/…``, for every other kind.
    """

    label: str
    path: Path | None = None
    folders: Mapping[str, tuple[Path, ...]] = field(default_factory=dict[str, tuple[Path, ...]])

    def of(self, kind: str) -> tuple[Path, ...]:
        """The folders of one kind, first to last."""
        laid_out = () if self.path is None else (self.path / kind,)
        return self.folders.get(kind, ()) + laid_out

    def kinds(self) -> frozenset[str]:
        """Kinds for which there is a folder."""
        found = {kind for kind, folders in self.folders.items() if any(folder.is_dir() for folder in folders)}
        if self.path is not None and self.path.is_dir():
            visible = (entry for entry in self.path.iterdir() if not entry.name.startswith("."))
            found.update(entry.name for entry in visible if entry.is_dir())
        return frozenset(found)


@dataclass(frozen=True, slots=True)
class ModelFile:
    """A model file that was found in a listing."""

    kind: str
    name: str
    path: Path
    root: Root


@dataclass(frozen=True, slots=True)
class ModelFolders:
    """All roots in the order of precedence: the first that has a file of this name wins."""

    roots: tuple[Root, ...]
    home: Home

    def find(self, kind: str, name: str) -> Path | None:
        """The file called ``name`` (with ``/`` for sub-folders), or None.

        A symbolic link counts only when it ends inside some root: a document must not reach other files.
        """
        try:
            parts = relative_name(name)
            relative_name(kind)
        except NameRefused:
            return None
        candidates = (folder / parts for folder in self.of(kind))
        return next((path for path in candidates if path.is_file() and self._reachable(path)), None)

    def names(self, kind: str) -> Sequence[str]:
        """The names of all files of a kind, sorted."""
        return sorted({file.name for file in self.files(kind)})

    def folder(self, kind: str) -> Path:
        """Where a file of this kind is best put."""
        return self.roots[0].of(kind)[0] if self.roots and self.roots[0].of(kind) else self.home.models / kind

    def of(self, kind: str) -> tuple[Path, ...]:
        """All folders of a kind, first to last."""
        return tuple(folder for root in self.roots for folder in root.of(kind))

    def kinds(self) -> Sequence[str]:
        """All kinds for which there is a folder."""
        return sorted({kind for root in self.roots for kind in root.kinds()})

    def files(self, kind: str) -> Iterator[ModelFile]:
        """Every file of a kind; one hidden by an earlier root of the same name is left out."""
        seen: set[str] = set()
        for root in self.roots:
            for folder in root.of(kind):
                for name in _listing(folder):
                    if name not in seen and self._reachable(folder / name):
                        seen.add(name)
                        yield ModelFile(kind, name, folder / name, root)

    def strays(self, kind: str) -> Iterator[Path]:
        """Files of a kind that cannot be used because they are links to a place outside all roots."""
        for folder in self.of(kind):
            yield from (folder / name for name in _listing(folder) if not self._reachable(folder / name))

    def _reachable(self, path: Path) -> bool:
        target = path.resolve()
        return any(target.is_relative_to(place.resolve()) for root in self.roots for place in _places(root))


def model_folders(
    home: Home, config: Config, *, models_dirs: Iterable[Path] = (), packs: Iterable[tuple[str, Path]] = ()
) -> ModelFolders:
    """Puts the roots in order: the command line's, the user's home, the settings file's, those of packs.

    Args:
        models_dirs: Folders laid out as ``D/checkpoints/…``.
        packs: Name and folder of each pack; its ``models`` folder is a root when it exists.
    """
    roots = [Root("--models-dir", path) for path in models_dirs]
    roots.append(Root("home", home.models))
    roots += [Root("config.toml", path) for path in config.models]
    roots += [Root(f"ComfyUI ({file})", folders=read_model_paths(file)) for file in config.comfyui]
    roots += [Root(f"pack {name}", folder / "models") for name, folder in packs if (folder / "models").is_dir()]
    return ModelFolders(tuple(roots), home)


def _places(root: Root) -> Iterator[Path]:
    if root.path is not None:
        yield root.path
    for folders in root.folders.values():
        yield from folders


def _listing(folder: Path) -> Iterator[str]:
    """Model files below a folder as ``sub/name``, in order; links in a circle end at the depth limit."""
    pending: list[tuple[Path, str, int]] = [(folder, "", 0)]
    while pending:
        place, prefix, depth = pending.pop()
        try:
            entries = sorted(os.scandir(place), key=lambda entry: entry.name)
        except OSError:
            continue  # absent or unreadable folders hold no files
        for entry in entries:
            if entry.name.startswith("."):
                continue
            if entry.is_dir() and depth < _MAX_DEPTH:
                pending.append((place / entry.name, f"{prefix}{entry.name}/", depth + 1))
            elif entry.is_file() and Path(entry.name).suffix.lower() in SUFFIXES:
                yield prefix + entry.name
