"""Where packs are found: entry points of installed distributions, and folders in the user's home."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

from nodeflow.core.errors import PackFailed
from nodeflow.core.packs import BUILT_IN

GROUP = "nodeflow.packs"
_DATA = frozenset({"__pycache__", "models", "workflows", "spec.json"})


@dataclass(frozen=True, slots=True)
class FoundPack:
    """A pack that is installed but not imported.

    Attributes:
        package: Import name of the module that holds ``pack``.
        root: Folder of the top-level package, or the single file; None when it cannot be found.
        folder: Whether it lies in ``$NODEFLOW_HOME/packs`` and so is not on the import path.
        entry: Name of its entry point, which should be that of the pack.
    """

    package: str
    root: Path | None
    folder: bool = False
    entry: str = ""

    @property
    def name(self) -> str:
        """What the pack is called as long as it has not said so itself."""
        return self.entry or self.top

    @property
    def top(self) -> str:
        """Name of the top-level package."""
        return self.package.partition(".")[0]


def discover(home: Path) -> tuple[tuple[FoundPack, ...], tuple[PackFailed, ...]]:
    """All packs that are installed, in a fixed order: the built-in one, entry points by name, folders by name.

    Nothing is imported. A folder that cannot be imported under its name is left out and is a problem.
    """
    found = [*_installed(), *_folders(home / "packs")]
    problems: list[PackFailed] = []
    kept: list[FoundPack] = []
    for item in found:
        rivals = [other for other in found if other.top == item.top and other.root != item.root]
        if item.folder and (reason := _unusable(item, rivals)):
            problems.append(PackFailed(item.package, reason))
        else:
            kept.append(item)
    return tuple(kept), tuple(problems)


def _installed() -> list[FoundPack]:
    points = sorted(metadata.entry_points(group=GROUP), key=lambda point: point.name, reverse=True)
    entries = {point.value.partition(":")[0].strip(): point.name for point in points}
    ordered = sorted(entries, key=lambda name: (name.partition(".")[0] != BUILT_IN, name))
    return [FoundPack(name, root_of(name.partition(".")[0]), entry=entries[name]) for name in ordered]


def root_of(name: str) -> Path | None:
    """Folder or single file of a top-level module, without importing it; None when there is no such file."""
    try:
        spec = find_spec(name)
    except (ImportError, ValueError):
        return None
    if spec is None or spec.origin is None:
        return None
    origin = Path(spec.origin)
    return origin.parent if spec.submodule_search_locations else origin


def _folders(packs: Path) -> list[FoundPack]:
    folders = (item for item in _entries(packs) if item.is_dir() and item.name[0] not in "._")
    return [FoundPack(item.name, item, folder=True) for item in folders]


def _unusable(item: FoundPack, rivals: Sequence[FoundPack]) -> str:
    """Why a folder cannot be used as a pack, or nothing."""
    assert item.root is not None
    if not item.package.isidentifier():
        return f"the folder {item.root} must be named like a Python package: letters, digits and _"
    if not (item.root / "__init__.py").is_file():
        return f"the folder {item.root} has no __init__.py"
    if rivals:
        return f"the folder {item.root} has the name of the installed pack at {rivals[0].root}"
    other = root_of(item.package)
    if other is not None and other.resolve() != item.root.resolve():
        return f"the folder {item.root} has the name of an installed module; rename it"
    return ""


def files_of(root: Path | None) -> Iterator[Path]:
    """The files whose text decides what a pack does, in a fixed order; models and workflows are data and left out."""
    if root is None:
        return
    if root.is_file():
        yield root
        return
    for item in _entries(root):
        if item.name in _DATA or item.name.startswith(".") or item.suffix == ".pyc":
            continue
        if item.is_dir() and not item.is_symlink():
            yield from files_of(item)
        else:
            yield item


def _entries(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError:
        return []
