"""Pins of a document: filled in from the packs and model files that are here, and found again among these."""

from collections import Counter
from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import cast

from nodeflow.core.codedigest import pin_digest
from nodeflow.core.errors import Problem
from nodeflow.core.json import JsonValue
from nodeflow.core.pins import Stock, is_condition, meets
from nodeflow.core.registry import Registry
from nodeflow.core.tables import owner_of
from nodeflow.core.workflow import Document, ModelPin, Node, PackPin
from nodeflow.session.files import SessionFiles
from nodeflow.session.verification import pinned_place
from nodeflow.storage.digests import Digests
from nodeflow.storage.home import Home

Tree = dict[str, JsonValue]
Model = tuple[str, str]
"""Kind and name of a model file."""


@dataclass(frozen=True, slots=True)
class LocalStock:
    """Implements ``nodeflow.core.pins.Stock`` for the packs and model files of one user."""

    registry: Registry
    home: Home
    files: SessionFiles

    def pack(self, name: str, /) -> PackPin | None:
        """Version and digest of an installed pack; neither is known of one that cannot be used."""
        manifest = self.registry.packs.get(name)
        if manifest is None:
            return PackPin() if any(problem.pack == name for problem in self.registry.problems) else None
        return PackPin(version=manifest.version or None, sha256=pin_digest(self.registry, name, self.home.root) or None)

    def sha256(self, kind: str, name: str, /) -> str | None:
        """Digest of a model file."""
        path = self.files.find(kind, name)
        with suppress(OSError):
            return None if path is None else self._digests.sha256(path)
        return None

    def named(self, kind: str, sha256: str, /) -> str | None:
        """The name of a file whose digest is known to be this; files are not read for it."""
        for file in self.files.models.files(kind):
            with suppress(OSError):
                if self._digests.known(file.path) == sha256.lower():
                    return file.name
        return None

    def has_model(self, pinned: str, /) -> bool:
        """Whether there is a model file that is pinned by its name, or by kind and name."""
        return pinned_place(pinned, self.files) is not None

    @property
    def _digests(self) -> Digests:
        return Digests(self.home.digests)


def used_packs(document: Document, registry: Registry) -> Collection[str]:
    """The installed packs whose nodes, draws, samplers and the like a document uses, sorted."""
    scopes = (document.nodes, *(graph.nodes for graph in document.graphs.values()))
    return sorted({name for nodes in scopes for node in nodes.values() for name in _packs_of(node, registry)})


def _packs_of(node: Node, registry: Registry) -> Iterator[str]:
    spec = registry.specs.get(node.type)
    if spec is None or registry.pack_of(spec) is None:
        return
    yield spec.pack
    open_inputs = {input.name for input in spec.inputs if input.open_choices}
    for name, value in node.inputs.items():
        entry = value["draw"] if isinstance(value, dict) and "draw" in value else value
        if (name in open_inputs or entry is not value) and isinstance(entry, str):
            yield from {owner_of(entry)}.intersection(registry.packs)


def pinned(
    document: Document, packs: Collection[str], models: Collection[Model], stock: Stock, *, exact: bool = False
) -> Document:
    """A document with pins of the packs and models that it uses, as they are here; all other pins stay.

    Args:
        document: Stays as it is.
        packs: Names of the packs that it uses.
        models: The model files that it uses.
        stock: What is here.
        exact: Allow no other version of these packs; else a condition that the author wrote stays. One that is not
            met stays in any case.
    """
    new_packs: Tree = {name: pin for name in packs if (pin := _pack_pin(document, name, stock, exact))}
    new_models: Tree = dict(_model_pins(document, models, stock))
    tree = _with_pins(_with_pins(document.tree, "packs", new_packs), "models", new_models)
    return document if tree is document.tree else Document.from_tree(tree)


def _with_pins(tree: Tree, name: str, pins: Tree) -> Tree:
    """A document with more pins, before its ``ui`` where it had none; the very same when nothing is new."""
    before = cast(Tree, tree.get(name, {}))
    after = {**before, **pins}
    if after == before:
        return tree
    if name in tree or "ui" not in tree:
        return {**tree, name: after}
    place = list(tree).index("ui")
    members = list(tree.items())
    return dict([*members[:place], (name, after), *members[place:]])


def _pack_pin(document: Document, name: str, stock: Stock, exact: bool) -> JsonValue:
    here, before = stock.pack(name), document.packs.get(name)
    if here is None or not here.version:
        return None
    asked = before.version if before is not None and before.version and is_condition(before.version) else None
    if asked and not meets(here.version, asked):
        return None
    version = f"=={here.version}" if exact else asked or here.version
    return {"version": version, **({"sha256": here.sha256} if here.sha256 else {})}


def _model_pins(document: Document, models: Collection[Model], stock: Stock) -> Iterator[tuple[str, JsonValue]]:
    """Under the name alone, unless the document says ``kind/name`` or two kinds have files of one name."""
    names = Counter(name for _, name in models)
    for kind, name in models:
        digest = stock.sha256(kind, name)
        if digest is not None:
            full = f"{kind}/{name}"
            yield full if names[name] > 1 or full in document.models else name, {"sha256": digest}


@dataclass(frozen=True, slots=True)
class Locked:
    """A document before and after its pins were made exact.

    Attributes:
        problems: Packs and models that could not be pinned, or not as the document asks.
        others: What else is wrong with the document.
    """

    original: Document
    document: Document
    problems: tuple[Problem, ...]
    others: tuple[Problem, ...] = ()

    def changes(self) -> Iterator[str]:
        """One line for each pin that is new or different."""
        pairs = (
            ("pack", self.original.packs, self.document.packs),
            ("model", self.original.models, self.document.models),
        )
        for what, before, after in pairs:
            for name, pin in after.items():
                if pin != before.get(name):
                    yield f"{what} {name}: {_spelled(before.get(name))} → {_spelled(pin)}"


def _spelled(pin: PackPin | ModelPin | None) -> str:
    if pin is None:
        return "not pinned"
    version = pin.version if isinstance(pin, PackPin) else None
    digest = f"sha256 {pin.sha256[:12]}…" if pin.sha256 else None
    return ", ".join(part for part in (version, digest) if part) or "named only"
