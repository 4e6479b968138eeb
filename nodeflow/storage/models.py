"""The user's model files: which folders hold them, and which file a name means."""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from nodeflow.core.packs import ModelKind
from nodeflow.storage.comfyui import read_model_paths
from nodeflow.storage.containment import NameRefused, relative_name
from nodeflow.storage.home import Config, Home
from nodeflow.storage.scanning import Found, entries_below, fault_of

_SUFFIXES = (".safetensors", ".sft", ".ckpt", ".pt", ".pth", ".bin")
"""What is listed as a model file of a kind that no pack has declared; asked for by name, it may be any file."""


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

    def of(self, kind: ModelKind) -> tuple[Path, ...]:
        """The folders of one kind, first to last."""
        laid_out = () if self.path is None else (self.path / kind.place,)
        return self.folders.get(kind.name, ()) + laid_out

    def kinds(self, declared: Mapping[str, ModelKind]) -> frozenset[str]:
        """Kinds for which there is a folder, be they declared or not."""
        found = {kind for kind, folders in self.folders.items() if any(map(os.path.isdir, folders))}
        if self.path is not None:
            visible = set(_folders_in(self.path))
            places = {name: kind.place for name, kind in declared.items()}
            found.update(name for name, place in places.items() if os.path.isdir(self.path / place))  # noqa: PTH112
            found.update(visible - {place.partition("/")[0] for place in places.values()})
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
    """All roots in the order of precedence: the first that has a file of this name wins.

    Attributes:
        declared: The kinds that packs have declared; any other name is a kind with a folder of that name.
    """

    roots: tuple[Root, ...]
    home: Home
    declared: Mapping[str, ModelKind] = field(default_factory=dict[str, ModelKind])

    def kind(self, name: str) -> ModelKind:
        """The folder and the suffixes of a kind; one that is not declared takes every file."""
        return self.declared.get(name) or ModelKind(name, ("",))

    def find(self, kind: str, name: str) -> Path | None:
        """The file called ``name`` (with ``/`` for sub-folders), or None.

        A symbolic link counts only when it ends inside some root: a document must not reach other files.
        """
        if not self.kind(kind).takes(name):
            return None
        return next((path for path in self._candidates(kind, name) if self._reachable(path)), None)

    def meant(self, kind: str, name: str) -> str | None:
        """The full name of the file that a text names: as it is, with a suffix of its kind, or in a sub-folder."""
        spellings = [name + suffix for suffix in ("", *self.kind(kind).suffixes)]
        found = next((spelling for spelling in spellings if self.find(kind, spelling) is not None), None)
        if found is not None or "/" in name:
            return found
        below = {each.rpartition("/")[2]: each for each in reversed(self.names(kind))}
        return next((below[spelling] for spelling in spellings if spelling in below), None)

    def unfit(self, kind: str, name: str) -> str | None:
        """Why a file of this name, with or without a suffix of its kind, is not found though it is there."""
        spellings = (name, *(name + suffix for suffix in self.kind(kind).suffixes))
        reasons = (self._fault(kind, each) for each in spellings if self.find(kind, each) is None)
        return next((reason for reason in reasons if reason), None)

    def _fault(self, kind: str, name: str) -> str | None:
        path = next(self._candidates(kind, name), None)
        if path is None:
            if not self.kind(kind).takes(name):
                return None
            faults = ((place, fault_of(place)) for place in self._places_of(kind, name))
            return next((f"{place} cannot be used: {fault}" for place, fault in faults if fault), None)
        if not self.kind(kind).takes(name):
            return f"{path} is there, but a file of {kind} ends in {' or '.join(self.kind(kind).suffixes)}"
        return f"{path} links to {path.resolve()}, outside all folders of models; name its folder in config.toml"

    def names(self, kind: str) -> Sequence[str]:
        """The names of all files of a kind, sorted."""
        return sorted({file.name for file in self.files(kind)})

    def folder(self, kind: str) -> Path:
        """Where a file of this kind is best put."""
        return next(iter(self.of(kind)), self.home.models / self.kind(kind).place)

    def of(self, kind: str) -> tuple[Path, ...]:
        """All folders of a kind, first to last."""
        return tuple(folder for root in self.roots for folder in root.of(self.kind(kind)))

    def kinds(self) -> Sequence[str]:
        """All kinds that are declared, and all for which there is a folder."""
        return sorted({*self.declared, *(kind for root in self.roots for kind in root.kinds(self.declared))})

    def files(self, kind: str) -> Iterator[ModelFile]:
        """Every file of a kind; one hidden by an earlier root of the same name is left out."""
        return (file for file, first in self._found(kind) if first is None)

    def hidden(self, kind: str) -> Iterator[tuple[Path, Path]]:
        """Files of a kind that are not used because an earlier root has one of that name, each with that one."""
        return ((file.path, first) for file, first in self._found(kind) if first is not None)

    def _found(self, kind: str) -> Iterator[tuple[ModelFile, Path | None]]:
        """Every file of a kind that may be used, with the one that comes before it under the same name."""
        seen: dict[str, Path] = {}
        for root in self.roots:
            for folder in root.of(self.kind(kind)):
                for name, reachable in self._listing(kind, folder):
                    if reachable:
                        file = ModelFile(kind, name, folder / name, root)
                        yield file, seen.get(name)
                        seen.setdefault(name, file.path)

    def strays(self, kind: str) -> Iterator[Path]:
        """Files of a kind that cannot be used because they are links to a place outside all roots."""
        for folder in self.of(kind):
            yield from (folder / name for name, reachable in self._listing(kind, folder) if not reachable)

    def broken(self, kind: str) -> Iterator[tuple[Path, str]]:
        """What bears the name of a file of a kind, or is a folder of it, and cannot be read, each with the reason."""
        for folder in self.of(kind):
            yield from ((folder / found.name, found.fault) for found in self._entries(kind, folder) if found.fault)

    def _candidates(self, kind: str, name: str) -> Iterator[Path]:
        """Files of that name in the folders of a kind."""
        return (path for path in self._places_of(kind, name) if os.path.isfile(path))  # noqa: PTH113 - never raises

    def _places_of(self, kind: str, name: str) -> Iterator[Path]:
        """Where a file of that name would be."""
        with suppress(NameRefused):
            parts = relative_name(name)
            relative_name(kind)
            yield from (folder / parts for folder in self.of(kind))

    def _listing(self, kind: str, folder: Path) -> Iterator[tuple[str, bool]]:
        """Names of files below a folder, and whether they may be used; only where links are is that a question each."""
        inside = self._reachable(folder)
        for found in self._entries(kind, folder):
            if not found.fault:
                yield found.name, self._reachable(folder / found.name) if found.linked else inside

    def _entries(self, kind: str, folder: Path) -> Iterator[Found]:
        """What is called like a file of a kind below a folder, and folders that cannot be read."""
        listed = self.declared.get(kind) or ModelKind(kind, _SUFFIXES)
        return (each for each in entries_below(folder) if each.name[-1:] in ("", "/") or listed.takes(each.name))

    def _reachable(self, path: Path) -> bool:
        target = Path(os.path.realpath(path))  # unlike Path.resolve, it takes a link that leads to itself
        return any(target.is_relative_to(os.path.realpath(place)) for root in self.roots for place in _places(root))


def model_folders(
    home: Home,
    config: Config,
    *,
    models_dirs: Iterable[Path] = (),
    packs: Iterable[tuple[str, Path]] = (),
    kinds: Mapping[str, ModelKind] | None = None,
) -> ModelFolders:
    """Puts the roots in order: the command line's, the user's home, the settings file's, those of packs.

    Args:
        models_dirs: Folders laid out as ``D/checkpoints/…``.
        packs: Name and folder of each pack; its ``models`` folder is a root when it exists.
        kinds: The kinds of models that packs have declared.
    """
    roots = [Root("--models-dir", path) for path in models_dirs]
    roots.append(Root("home", home.models))
    roots += [Root("config.toml", path) for path in config.models]
    roots += [Root(f"ComfyUI ({file})", folders=read_model_paths(file)) for file in config.comfyui]
    roots += [Root(f"pack {name}", folder / "models") for name, folder in packs if (folder / "models").is_dir()]
    return ModelFolders(tuple(roots), home, kinds or {})


def _places(root: Root) -> Iterator[Path]:
    if root.path is not None:
        yield root.path
    for folders in root.folders.values():
        yield from folders


def _folders_in(path: Path) -> Iterator[str]:
    """Names of the visible folders in a folder; none where it cannot be read."""
    with suppress(OSError):
        yield from (entry.name for entry in os.scandir(path) if entry.name[0] != "." and os.path.isdir(entry))  # noqa: PTH112
