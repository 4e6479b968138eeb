"""Pins: the packs and model files that a document was made with, held against those that are here."""

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Protocol

from nodeflow.core.errors import Problem
from nodeflow.core.packs import BUILT_IN
from nodeflow.core.suggest import shorten
from nodeflow.core.workflow import Document, ModelPin, PackPin

_OPERATORS: Final = frozenset("<>=!~")
_SHOWN: Final = 12
_DIGEST: Final = re.compile(r"[0-9A-Fa-f]{64}")


class Stock(Protocol):
    """The packs and model files that are here, as far as pins ask for them."""

    def pack(self, name: str, /) -> PackPin | None:
        """Version and digest of an installed pack."""
        ...

    def sha256(self, kind: str, name: str, /) -> str | None:
        """Digest of a model file, or None when it is not there or cannot be read."""
        ...

    def named(self, kind: str, sha256: str, /) -> str | None:
        """The name of a model file that is known to have a digest."""
        ...

    def has_model(self, pinned: str, /) -> bool:
        """Whether there is a model file that is pinned by its name, or by kind and name."""
        ...


class UnknownStock:
    """Nobody knows what is here, so nothing is found to be wrong."""

    def pack(self, name: str, /) -> PackPin | None:
        return PackPin()

    def sha256(self, kind: str, name: str, /) -> str | None:
        return None

    def named(self, kind: str, sha256: str, /) -> str | None:
        return None

    def has_model(self, pinned: str, /) -> bool:
        return True


def is_condition(version: str) -> bool:
    """Whether a pinned version says what is allowed (``>=1.2``), and not only what there was (``1.2``)."""
    return not _OPERATORS.isdisjoint(version)


def meets(version: str, condition: str) -> bool | None:
    """Whether a version is allowed; None when the condition cannot be read."""
    from packaging.specifiers import InvalidSpecifier, SpecifierSet
    from packaging.version import InvalidVersion, Version

    try:
        return SpecifierSet(condition).contains(Version(version), prereleases=True)
    except InvalidSpecifier:
        return None
    except InvalidVersion:
        return False


def install_hint(name: str, pin: PackPin | None) -> str:
    """How to get a pack in the version that a document asks for."""
    if pin is None or not pin.version:
        return f"install the pack {name}"
    wanted = pin.version if is_condition(pin.version) else f">={pin.version}"
    return _pip(name, wanted)


def _pip(name: str, condition: str) -> str:
    """The built-in pack comes with nodeflow; others are taken to be distributed under their own name."""
    return f'pip install "{"nodeflow" if name == BUILT_IN else name}{condition}"'


def pin_of(models: Mapping[str, ModelPin], kind: str, name: str) -> ModelPin | None:
    """The pin of a model file, under ``kind/name`` or under the name alone."""
    return models.get(f"{kind}/{name}") or models.get(name)


@dataclass(frozen=True, slots=True)
class PinCheck:
    """Finds out whether a document would run with what it was made with."""

    document: Document
    stock: Stock

    def twin(self, kind: str, name: str) -> str | None:
        """The name under which the very file that was pinned as ``name`` is here."""
        pin = pin_of(self.document.models, kind, name)
        return None if pin is None else self.stock.named(kind, pin.sha256)

    def packs(self) -> Iterator[Problem]:
        """What is wrong with the pinned packs; that a node lacks its pack is told with the node."""
        for name, pin in self.document.packs.items():
            here = self.stock.pack(name)
            if faults := [*_pack_faults(name, pin, here)]:
                yield from faults
            elif here is not None:
                yield from _pack_problems(name, pin, here)
            elif not self._has_node_of(name):
                message, hint = f"the document names the pack {name}, which is not installed", install_hint(name, pin)
                yield Problem("pack.absent", message, expected=pin.version, hint=hint, severity="warning")

    def models(self, files: Collection[tuple[str, str]]) -> Iterator[Problem]:
        """What is wrong with pinned model files; that one of those which nodes name is missing is told with its node.

        Args:
            files: Kind and name of those that nodes name.
        """
        told = {label for kind, name in files for label in (name, f"{kind}/{name}")}
        for pinned, model in self.document.models.items():
            yield from _digest_fault(f"models.{pinned}", model.sha256)
            if pinned not in told and not self.stock.has_model(pinned):
                message = f"the document names the model {shorten(pinned)}, which is not here"
                hint = "no node names it; take it out of models, or get the file"
                yield Problem("file.missing", message, hint=hint, severity="warning")
        for kind, name in files:
            pin = pin_of(self.document.models, kind, name)
            found = None if pin is None else self.stock.sha256(kind, name)
            if pin is None or found is None or found == pin.sha256.lower() or not _DIGEST.fullmatch(pin.sha256):
                continue
            twin = self.stock.named(kind, pin.sha256)
            hint = f'the right one is here as "{twin}"' if twin else "results may differ; get the right file"
            message = f"the model {kind}/{name} is not the file that the document was made with"
            yield Problem("model.digest", message, None, None, _sha(found), _sha(pin.sha256), hint, "warning")

    def _has_node_of(self, pack: str) -> bool:
        scopes = (self.document.nodes, *(graph.nodes for graph in self.document.graphs.values()))
        return any(node.type.startswith(f"{pack}.") for nodes in scopes for node in nodes.values())


def _pack_faults(name: str, pin: PackPin, here: PackPin | None) -> Iterator[Problem]:
    """What of a pin cannot be held against anything."""
    if pin.version and not (here and pin.version == here.version) and not _is_readable(pin.version):
        message = f"the version that the document asks for of the pack {name} cannot be read"
        yield Problem("pack.version", message, found=shorten(pin.version), expected='"1.2", or such as ">=1.2,<2"')
    if pin.sha256:
        yield from _digest_fault(f"packs.{name}", pin.sha256)


def _is_readable(version: str) -> bool:
    from packaging.version import InvalidVersion, Version

    if is_condition(version):
        return meets("0", version) is not None
    try:
        Version(version)
    except InvalidVersion:
        return False
    return True


def _digest_fault(pinned: str, digest: str) -> Iterator[Problem]:
    if not _DIGEST.fullmatch(digest):
        found = f"{shorten(digest)}, {len(digest)} characters"
        message = f"the field {pinned}.sha256 is wrong"
        yield Problem("field.value", message, found=found, expected="64 hexadecimal digits")


def _pack_problems(name: str, pin: PackPin, here: PackPin) -> Iterator[Problem]:
    if pin.version and here.version and (problem := _version_problem(name, pin.version, here.version)):
        yield problem
    elif pin.sha256 and here.sha256 and pin.sha256.lower() != here.sha256:
        message = f"the code of the pack {name} is not that which the document was made with"
        hint = "results may differ; nodeflow lock writes the pin anew"
        yield Problem("pack.digest", message, None, None, _sha(here.sha256), _sha(pin.sha256), hint, "warning")


def _version_problem(name: str, wanted: str, here: str) -> Problem | None:
    found = f"{here} is installed"
    if not is_condition(wanted):
        if wanted == here:
            return None
        message = f"the document was made with another version of the pack {name}"
        hint = f"results may differ; {_way_back(name, wanted, here)}"
        return Problem("pack.version", message, None, None, found, wanted, hint, "warning")
    message = f"the document asks for another version of the pack {name}"
    return (
        None if meets(here, wanted) else Problem("pack.version", message, None, None, found, wanted, _pip(name, wanted))
    )


def _way_back(name: str, wanted: str, here: str) -> str:
    """An older version is updated; from a newer one the exact version is brought back."""
    if meets(wanted, f">{here}"):
        return _pip(name, f">={wanted}")
    return f"{_pip(name, f'=={wanted}')} brings it back"


def _sha(digest: str) -> str:
    return f"sha256 {digest[:_SHOWN]}…" if len(digest) > _SHOWN else f"sha256 {digest}"
