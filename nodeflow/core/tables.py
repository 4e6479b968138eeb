"""Many packs made into one set of tables, so that no order of loading decides who wins."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from nodeflow.core.errors import PackFailed
from nodeflow.core.packs import BUILT_IN, Manifest, ModelKind, SocketSpec
from nodeflow.core.requirements import unusable
from nodeflow.core.spec import Spec

K = TypeVar("K")
V = TypeVar("V")


@dataclass(frozen=True, slots=True)
class Tables:
    """Everything that packs bring, by the key under which it is asked for.

    Attributes:
        packs: By name; one that cannot be used because of what it requires has nothing in it.
        migrations: Place of the function for a type id and the version it starts from.
        collisions: Ids that nobody has because several packs claim them, with the reason.
    """

    packs: Mapping[str, Manifest]
    specs: Mapping[str, Spec]
    sockets: Mapping[str, SocketSpec]
    kinds: Mapping[str, ModelKind]
    extensions: Mapping[str, Mapping[str, str]]
    migrations: Mapping[tuple[str, int], str]
    collisions: Mapping[str, str]
    problems: tuple[PackFailed, ...]


@dataclass(frozen=True, slots=True)
class Claim:
    """One pack's wish to be asked for one key."""

    pack: str
    key: Any
    label: str
    value: Any


def join(manifests: Sequence[Manifest], single: Iterable[Spec], reported: Iterable[PackFailed]) -> Tables:
    """Join packs. What several claim goes to the pack whose name the id carries, else to none; all are told."""
    problems = list(reported)
    packs = _usable(_distinct(manifests, problems), problems)
    problems += [PackFailed(pack.name, reason) for pack in packs.values() for reason in pack.problems]
    collisions: dict[str, str] = {}

    def settled(
        what: str, claims: Callable[[Manifest], Iterator[tuple[Any, str, Any]]], *, shared: bool = False
    ) -> dict[Any, Any]:
        wishes = [Claim(pack.name, *claim) for pack in packs.values() for claim in claims(pack)]
        if shared:  # what packs say in the same words is no quarrel
            wishes = list({(wish.key, wish.value): wish for wish in reversed(wishes)}.values())[::-1]
        return _settle(what, wishes, problems, collisions)

    specs: dict[str, Spec] = settled("node", lambda pack: ((item.id, item.id, item) for item in pack.specs))
    sockets: dict[str, SocketSpec] = settled(
        "socket type", lambda pack: ((item.name, item.name, item) for item in pack.sockets)
    )
    entries: dict[tuple[str, str], str] = settled(
        "entry",
        lambda pack: (
            ((table, name), name, place) for table, names in pack.extensions.items() for name, place in names.items()
        ),
    )
    migrations: dict[tuple[str, int], str] = settled(
        "migration", lambda pack: (((item.id, item.version), item.id, item.implementation) for item in pack.migrations)
    )
    kinds: dict[str, ModelKind] = settled(
        "kind of models", lambda pack: ((item.name, item.name, item) for item in pack.kinds), shared=True
    )
    extensions: dict[str, dict[str, str]] = {}
    for (table, name), place in entries.items():
        extensions.setdefault(table, {})[name] = place
    specs.update((spec.id, spec) for spec in single)
    return Tables(packs, specs, sockets, kinds, extensions, migrations, collisions, tuple(problems))


def owner_of(id: str) -> str:
    """The pack whose name an id carries: what stands before its first dot, else the built-in one."""
    return id.partition(".")[0] if "." in id else BUILT_IN


def without(id: str) -> str:
    """How a problem of a pack ends that costs it one node and nothing else."""
    return f"; so there is no node {id}"


def _distinct(manifests: Iterable[Manifest], problems: list[PackFailed]) -> dict[str, Manifest]:
    """Packs by name; of several with one name only the one in the package of that name stays."""
    by_name: dict[str, list[Manifest]] = {}
    for item in manifests:
        by_name.setdefault(item.name, []).append(item)
    packs: dict[str, Manifest] = {}
    for name, same in by_name.items():
        kept = same if len(same) == 1 else [item for item in same if item.package == name]
        if len(kept) == 1:
            packs[name] = kept[0]
        if len(same) > 1:
            places = " and ".join(sorted(item.package for item in same))
            problems.append(PackFailed(name, f"the packages {places} both say that they are this pack"))
    return packs


def _usable(packs: Mapping[str, Manifest], problems: list[PackFailed]) -> dict[str, Manifest]:
    """The packs, and of those whose requirements do not hold no more than who they are and what may be set for them.

    What else is wrong with such a pack mostly follows from that, and is not told.
    """
    reasons = unusable(packs)
    problems += [PackFailed(name, reason) for name, reason in reasons.items()]
    return {name: _emptied(pack) if name in reasons else pack for name, pack in packs.items()}


def _emptied(pack: Manifest) -> Manifest:
    return Manifest(pack.name, pack.version, pack.package, pack.requires, settings=pack.settings, imports=pack.imports)


def _settle(
    what: str, wishes: Iterable[Claim], problems: list[PackFailed], collisions: dict[str, str]
) -> dict[Any, Any]:
    claims: dict[Any, list[Claim]] = {}
    for wish in wishes:
        claims.setdefault(wish.key, []).append(wish)
    settled: dict[Any, Any] = {}
    for key, rivals in claims.items():
        if len(rivals) == 1:
            settled[key] = rivals[0].value
            continue
        label = rivals[0].label
        reason = f"{what} {label!r} is claimed by {' and '.join(repr(item.pack) for item in rivals)}"
        owned = [item for item in rivals if item.pack == owner_of(label)]
        if len(owned) == 1:
            settled[key] = owned[0].value
        elif what == "node":
            collisions[label] = reason
        losers = dict.fromkeys(item.pack for item in rivals if len(owned) != 1 or item is not owned[0])
        problems += [PackFailed(pack, reason) for pack in losers]
    return settled


@dataclass(frozen=True, slots=True)
class LazyTable(Mapping[str, Any]):
    """Names with the places of their values; a place is looked up when its value is asked for."""

    places: Mapping[str, str]
    look_up: Callable[[str], Any]

    def __getitem__(self, name: str) -> Any:
        return self.look_up(self.places[name])

    def __iter__(self) -> Iterator[str]:
        return iter(self.places)

    def __len__(self) -> int:
        return len(self.places)
