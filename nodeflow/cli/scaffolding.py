"""A new pack, written from the templates in ``scaffold``: sources, tests, workflow, project file."""

import keyword
import re
import shutil
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from nodeflow.core.discovery import FoundPack, discover
from nodeflow.core.errors import PackFailed, UsageError
from nodeflow.core.manifest import SNAPSHOT, dump_manifest, load_registry
from nodeflow.storage.home import Home
from nodeflow.version import __version__

_TEMPLATES: Final = Path(__file__).parent / "scaffold"
_FILES: Final[Mapping[str, str]] = {
    "pyproject.toml.in": "pyproject.toml",
    "README.md.in": "README.md",
    "gitignore.in": ".gitignore",
    "ci.yml.in": ".github/workflows/ci.yml",
    "init.py.in": "@package@/__init__.py",
    "pictures.py.in": "@package@/pictures.py",
    "reports.py.in": "@package@/reports.py",
    "example.json.in": "@package@/workflows/@package@-example.json",
    "test_nodes.py.in": "tests/test_nodes.py",
    "test_contract.py.in": "tests/test_contract.py",
    "examples.py.in": "tests/examples.py",
}
"""Templates, and where they go."""

_PROJECT: Final = re.compile(r"[A-Za-z0-9]|[A-Za-z0-9][A-Za-z0-9._-]*[A-Za-z0-9]")
_PICTURE_SIZE: Final = (96, 64)


@dataclass(frozen=True, slots=True)
class Names:
    """What a pack is called.

    Attributes:
        project: As it is installed, such as ``my-pack``.
        package: As it is imported, and as its ids begin: ``my_pack``.
    """

    project: str
    package: str

    @property
    def title(self) -> str:
        """What people read: ``My pack``."""
        return self.package.replace("_", " ").strip().capitalize()

    def filled(self, text: str) -> str:
        """A template with the names in it."""
        values = {"project": self.project, "package": self.package, "title": self.title, "nodeflow": __version__}
        for token, value in values.items():
            text = text.replace(f"@{token}@", value)
        return text


def names_of(project: str, home: Home) -> Names:
    """The names of a new pack.

    Raises:
        UsageError: It cannot be called so, or something is called so already; says why and what would do.
    """
    if _PROJECT.fullmatch(project) is None:
        raise UsageError(f"{project!r} is no name of a project; use letters, digits and -, as in film-look")
    package = re.sub(r"[-_.]+", "_", project).lower()
    if not package.isidentifier() or keyword.iskeyword(package):
        way_out = f"try {'pack-' + project if project[0].isdigit() else project + '-pack'}"
        raise UsageError(f"{project!r} cannot be imported as {package}; {way_out}")
    found, _ = discover(home.root)
    if any(package in (item.top, item.package) for item in found):
        raise UsageError(f"there is a pack {package} already; choose another name")
    if package.startswith("nodeflow") or package == "tests" or package in sys.stdlib_module_names:
        raise UsageError(f"{package} is the name of something else in Python; try {project}-pack")
    if find_spec(package) is not None:
        raise UsageError(f"a module {package} is installed already; try {project}-pack")
    return Names(project, package)


def write_pack(names: Names, parent: Path) -> tuple[Path, tuple[Path, ...]]:
    """Write a pack into a new folder of ``parent``; it appears whole or not at all.

    Returns:
        The folder, and the files in it, relative to it.

    Raises:
        UsageError: There is something already, or it cannot be written.
    """
    folder = parent / names.project
    if folder.exists() or folder.is_symlink():
        raise UsageError(f"{folder} is there already; choose another name, or another folder with --dir")
    try:
        parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix=f".{names.package}-", dir=parent) as place:
            draft = Path(place) / names.project
            files = tuple(_written(names, draft))
            shutil.move(draft, folder)
    except OSError as error:
        raise UsageError(f"{folder} cannot be written: {error.strerror or error}; choose another --dir") from error
    return folder, files


def _written(names: Names, folder: Path) -> Iterator[Path]:
    for template, target in _FILES.items():
        path = Path(names.filled(target))
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        text = (_TEMPLATES / template).read_text(encoding="utf-8")
        (folder / path).write_text(names.filled(text), encoding="utf-8", newline="\n")
        yield path
    package = Path(names.package)
    (folder / package / "py.typed").touch()
    _draw(folder / package / "workflows" / f"{names.package}-example.png")
    (folder / package / SNAPSHOT).write_bytes(_snapshot(names, folder / package))
    yield from (package / "py.typed", package / "workflows" / f"{names.package}-example.png", package / SNAPSHOT)


def _draw(place: Path) -> None:
    """The picture that the example workflow starts from: a bright disc."""
    from PIL import Image, ImageOps

    disc = ImageOps.invert(Image.radial_gradient("L")).resize(_PICTURE_SIZE)
    ImageOps.colorize(disc, "#20304a", "#ffe9b0").save(place)


def _snapshot(names: Names, root: Path) -> bytes:
    with TemporaryDirectory() as home:
        (manifest,) = load_registry(Path(home), packs=[FoundPack(names.package, root, folder=True)]).manifests
    if manifest.problems:
        raise PackFailed(names.package, "; ".join(manifest.problems))
    shutil.rmtree(root / "__pycache__", ignore_errors=True)
    return dump_manifest(manifest)
