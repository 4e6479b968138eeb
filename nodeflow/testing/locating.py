"""Where a pack is, from what an author calls it: a folder with sources, or the name of something installed."""

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from nodeflow.core.discovery import GROUP, discover
from nodeflow.core.errors import UsageError
from nodeflow.core.suggest import did_you_mean, listing
from nodeflow.storage.home import Home

PROJECT = "pyproject.toml"


@dataclass(frozen=True, slots=True)
class Target:
    """One pack to be checked.

    Attributes:
        package: Import name of the module that holds ``pack``.
        root: Folder of the top-level package, or the single file.
        project: Folder with ``pyproject.toml`` and the tests, or the package's own where there is none.
    """

    package: str
    root: Path
    project: Path

    @property
    def path(self) -> Path:
        """What has to be on the import path."""
        return self.root.parent


def locate(name: str | Path, home: Home) -> tuple[Target, ...]:
    """The packs that ``name`` means: those of a folder, or an installed one.

    Raises:
        UsageError: There is no such pack; says what was looked for.
    """
    folder = Path(name).expanduser()
    if folder.is_dir():
        return tuple(_in_folder(folder.resolve()))
    found, _ = discover(home.root)
    targets = [
        Target(item.package, item.root, _project_of(item.root))
        for item in found
        if item.root is not None and str(name) in (item.package, item.top)
    ]
    if not targets:
        names = sorted({item.top for item in found})
        hint = did_you_mean(str(name), names) or f"installed are {listing(names)}"
        raise UsageError(f"{name} is neither a folder nor an installed pack; {hint}")
    return tuple(targets[:1])


def _in_folder(folder: Path) -> Iterator[Target]:
    file = folder / PROJECT
    if file.is_file():
        packages = _declared(file)
        if not packages:
            raise UsageError(f'{file}: there is no [project.entry-points."{GROUP}"]; add mypack = "mypack"')
        for package in packages:
            yield Target(package, _root(folder, package.partition(".")[0]), folder)
    elif (folder / "__init__.py").is_file():
        yield Target(folder.name, folder, _project_of(folder))
    else:
        raise UsageError(f"{folder} is no pack: it has neither {PROJECT} nor __init__.py")


def _declared(file: Path) -> list[str]:
    """Packages behind the entry points of a project."""
    try:
        tree = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"{file}: {error}") from error
    points: Any = tree
    for key in ("project", "entry-points", GROUP):
        points = cast("Mapping[str, Any]", points).get(key, {}) if isinstance(points, dict) else {}
    return [str(place).partition(":")[0].strip() for place in cast("Mapping[str, Any]", points).values()]


def _root(project: Path, top: str) -> Path:
    for place in (project, project / "src"):
        for root in (place / top, place / f"{top}.py"):
            if (root / "__init__.py").is_file() or root.is_file():
                return root
    file = project / PROJECT
    raise UsageError(f"{file}: it names the package {top}, which is neither beside it nor in src")


def _project_of(root: Path) -> Path:
    """The folder of the project that a package is part of, where it is installed in place; else the package's own."""
    places = (root.parent, root.parent.parent)
    return next((place for place in places if (place / PROJECT).is_file()), root)
