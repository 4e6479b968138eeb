"""A place to run nodes: the whole engine with a home of its own, which has only the packs it is given."""

import sys
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from inspect import unwrap
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from packaging.requirements import InvalidRequirement, Requirement

from nodeflow.core.discovery import root_of
from nodeflow.core.errors import PackFailed
from nodeflow.core.manifest import SNAPSHOT, parse_manifest
from nodeflow.core.node import node_mark
from nodeflow.core.packs import BUILT_IN, Pack
from nodeflow.core.registry import Registry
from nodeflow.core.scan import import_pack
from nodeflow.core.spec import Form
from nodeflow.session import Session
from nodeflow.session.workplace import Workplace


@dataclass(frozen=True)
class _Workplace(Workplace):
    """A workplace that has the packs it is given, whatever is installed."""

    packs: Registry | None = None

    @cached_property
    def registry(self) -> Registry:
        assert self.packs is not None
        return self.packs

    def renewed(self) -> Workplace:
        """Itself: a bench lives for a moment."""
        return self


class Bench(Session):
    """A session in a folder of its own that remembers nothing; a node that changes an input fails.

    Attributes:
        folder: Where its home, its inputs and its output are.
    """

    def __init__(self, folder: Path, registry: Registry) -> None:
        home, output = folder / "home", folder / "output"
        super().__init__(home, output_dir=output, device="cpu", dtype="fp32", cache=False, metadata=False, dev=True)
        self.folder = folder
        self.workplace = _Workplace(self.workplace.home, packs=registry)

    def picture(self) -> Path:
        """A picture file, alone in its folder, for inputs that ask for one."""
        from nodeflow.diffusion.pictures import write_picture
        from nodeflow.testing.values import an_image

        place = self.folder / "pictures" / "example.png"
        if not place.exists():
            place.parent.mkdir()
            place.write_bytes(write_picture(an_image()))
        return place

    def keep_secret(self, name: str, value: str) -> str:
        """Keep a secret as a user does, and give the name under which a document asks for it."""
        folder = self.workplace.home.root / "secrets"
        folder.mkdir(parents=True, exist_ok=True)
        place = folder / name
        place.touch(mode=0o600)
        place.write_text(value, encoding="utf-8")
        return name


@contextmanager
def bench(registry: Registry) -> Generator[Bench]:
    """A bench that leaves nothing behind."""
    with TemporaryDirectory(prefix="nodeflow-test-", ignore_cleanup_errors=True) as folder:
        session = Bench(Path(folder), registry)
        with session:
            yield session


def registry_of(packs: Iterable[Pack]) -> Registry:
    """The built-in pack, ``packs``, and the packs that these require as far as they can be imported."""
    registry = Registry()
    root = root_of(BUILT_IN)
    if root is not None:
        registry.add(parse_manifest((root / SNAPSHOT).read_bytes()), root=root)
    waiting, known = list(packs), {BUILT_IN}
    while waiting:
        pack = waiting.pop(0)
        if pack.name not in known:
            known.add(pack.name)
            registry.add(pack)
            waiting += _required(pack)
    return registry


def registry_for(functions: Iterable[Callable[..., Any]], packages: Iterable[str] = ()) -> Registry:
    """The registry in which ``functions`` run: the packs they are part of, the packs of ``packages``, and they."""
    found = list(functions)
    registry = registry_of([*_packs_of(found), *map(import_pack, packages)])
    for function in found:
        for beside in _recordable(function):
            registry.add_node(beside)
        registry.add_node(function)
    return registry


def _recordable(function: Callable[..., Any]) -> Iterable[Callable[..., Any]]:
    """The nodes that an expander has at hand to record, where it is not part of a pack."""
    mark = node_mark(function)
    if mark is None or mark.form is not Form.EXPANDER:
        return ()
    return [value for value in unwrap(function).__globals__.values() if node_mark(value) is not None]


def _packs_of(functions: Iterable[Callable[..., Any]]) -> Iterable[Pack]:
    """The packs whose packages the functions are defined in."""
    found: dict[str, Pack] = {}
    for function in functions:
        top = function.__module__.partition(".")[0]
        pack = getattr(sys.modules.get(top), "pack", None)
        if isinstance(pack, Pack) and pack.import_name.partition(".")[0] == top:
            found[top] = import_pack(top)
    return found.values()


def _required(pack: Pack) -> Iterator[Pack]:
    """The packs that ``pack`` requires; one that is not here makes no difference until a node needs it."""
    for text in pack.requires:
        with suppress(InvalidRequirement, PackFailed):
            yield import_pack(Requirement(text).name)
