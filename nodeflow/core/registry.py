"""What is known of all packs together: specs by id, and the code behind them on demand."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from nodeflow.core.code import PackCode
from nodeflow.core.codecs import PackCodec
from nodeflow.core.converters import converters
from nodeflow.core.discovery import root_of
from nodeflow.core.draws import DRAWS, TABLE, Draw
from nodeflow.core.errors import PackFailed
from nodeflow.core.migrations import Migration
from nodeflow.core.node import node_mark
from nodeflow.core.packs import Manifest, ModelKind, Pack, SettingValue, SocketSpec
from nodeflow.core.settings import Given
from nodeflow.core.spec import Spec
from nodeflow.core.stamps import Seen
from nodeflow.core.tables import LazyTable, Tables, join, owner_of, without
from nodeflow.core.types import Codec, Type

if TYPE_CHECKING:
    from nodeflow.core.rules import Rule


@dataclass(slots=True)
class Registry:
    """Packs and single specs that were added to it; nothing else is known to it, and nothing is imported by adding.

    Attributes:
        code: Imports what the manifests name.
        digests: Identity of the code of each node that was made at run time, by its id.
    """

    manifests: list[Manifest] = field(default_factory=list[Manifest])
    code: PackCode = field(default_factory=PackCode)
    digests: dict[str, str] = field(default_factory=dict[str, str])
    _single: dict[str, tuple[Spec, Callable[..., Any]]] = field(default_factory=dict[str, Any])
    _reported: list[PackFailed] = field(default_factory=list[PackFailed])
    _callables: dict[str, Callable[..., Any]] = field(default_factory=dict[str, Any])
    _rules: "dict[str, tuple[Rule, ...]]" = field(default_factory=dict[str, Any])
    _settings: dict[str, Mapping[str, SettingValue]] = field(default_factory=dict[str, Any])
    _tables: Tables | None = None

    def add(self, pack: Pack | Manifest, *, root: Path | None = None, seen: Seen | None = None) -> None:
        """Add a pack; one that is given as a ``Pack`` is imported for it.

        Args:
            root: Where its files are; looked for when it is not given.
            seen: Its files as they were when the manifest was found to be true; from then on only they count.
        """
        if isinstance(pack, Pack):
            from nodeflow.core.scan import scan

            pack = scan(pack)
        self.manifests.append(pack)
        place = root or root_of(pack.package.partition(".")[0])
        rival = pack.name in self.code.roots and pack.package != pack.name
        if place is not None and not rival:
            self.code.roots[pack.name] = place
            if seen is not None:
                self.code.seen[pack.name] = seen
        self._tables = None

    def add_spec(self, spec: Spec, implementation: Callable[..., Any], *, digest: str = "") -> None:
        """Add a node that was made at run time; one that has the id of an earlier such node replaces it.

        Args:
            digest: Identity of the code, for cache keys; without it results are not reused beyond this registry.
        """
        self._single[spec.id] = (spec, implementation)
        self.digests[spec.id] = digest or uuid4().hex
        self._callables.pop(spec.id, None)
        self._rules.pop(spec.id, None)
        self._tables = None

    def add_node(self, fn: Callable[..., Any], spec: Spec | None = None) -> Spec:
        """Add a function marked with ``@node``, wherever it is defined; nothing happens when it is known already.

        Args:
            spec: Its spec, when that has been read before.
        """
        from nodeflow.core.signature import read_spec

        spec = spec or read_spec(fn)
        if not self._knows(fn, spec):
            self.add_spec(spec, fn)
        return spec

    def with_nodes_of(self, other: "Registry") -> "Registry":
        """This registry, with the nodes that were made at run time in another one."""
        self._single.update(other._single)
        self.digests.update(other.digests)
        self._tables = None
        return self

    def report(self, problem: PackFailed) -> None:
        """Keep a problem of a pack that could not be added."""
        self._reported.append(problem)
        self._tables = None

    def configure(self, given: Given) -> tuple[str, ...]:
        """Take the user's settings of packs.

        Returns:
            One line for every pack that is set up but not installed.

        Raises:
            UsageError: A setting does not exist, or has a value of the wrong type.
        """
        failed = {problem.pack for problem in self.problems}
        self._settings = {
            name: given.values(name, pack.settings)
            for name, pack in self.packs.items()
            if pack.settings or name not in failed  # what a pack that failed would have declared nobody knows
        }
        return given.strangers(dict.fromkeys((*self.packs, *failed)))

    @property
    def roots(self) -> Mapping[str, Path]:
        """Where the files of each pack are, by its name."""
        return self.code.roots

    @property
    def packs(self) -> Mapping[str, Manifest]:
        """The packs that count, by name."""
        return self._joined().packs

    @property
    def specs(self) -> Mapping[str, Spec]:
        """All nodes that can be used, by type id."""
        return self._joined().specs

    @property
    def sockets(self) -> Mapping[str, SocketSpec]:
        """What packs say about value types, by name of the type."""
        return self._joined().sockets

    @property
    def kinds(self) -> Mapping[str, ModelKind]:
        """The kinds of models that packs have declared, by name."""
        return self._joined().kinds

    @property
    def problems(self) -> tuple[PackFailed, ...]:
        """Why packs or nodes of theirs are missing."""
        return self._joined().problems

    def spec(self, id: str) -> Spec:
        """The spec of a type id; raises KeyError when there is none."""
        return self._joined().specs[id]

    def pack_of(self, spec: Spec) -> Manifest | None:
        """The pack of a node; None for a node that was made at run time."""
        return None if spec.id in self._single else self._joined().packs.get(spec.pack)

    def missing(self, id: str) -> str | None:
        """Why there is no node of this id although a pack should have it, as far as that is known."""
        tables = self._joined()
        if id in tables.collisions:
            return tables.collisions[id]
        reasons = [problem.reason for problem in tables.problems if problem.pack == owner_of(id)]
        own = [reason for reason in reasons if reason.endswith(without(id))]
        others = [reason for reason in reasons if without("") not in reason]
        return str(PackFailed(owner_of(id), "; ".join(own or others))) if own or others else None

    def implementation(self, spec: Spec) -> Callable[..., Any]:
        """The code of a node, imported when it is first asked for; takes inputs as documents and the engine hold them.

        Raises:
            PackFailed: When it cannot be imported.
        """
        known = self._callables.get(spec.id)
        if known is None:
            from nodeflow.core.arrival import arriving

            known = self._callables[spec.id] = arriving(self._function(spec))
        return known

    def checks(self, spec: Spec) -> "tuple[Rule, ...]":
        """The rules over several inputs; each is called with what is known of them, and raises InputError.

        A rule sees literals as the node does: members of an enum, rows, paths that are not yet looked up.
        """
        if not spec.checks:
            return ()
        known = self._rules.get(spec.id)
        if known is None:
            from nodeflow.core.rules import Rule

            mark = node_mark(self._function(spec))
            known = self._rules[spec.id] = tuple(map(Rule, mark.checks)) if mark else ()
        return known

    def migration(self, id: str, version: int) -> Migration | None:
        """The step that takes inputs of ``id`` saved with ``version`` to the next version, or None."""
        place = self._joined().migrations.get((id, version))
        return None if place is None else self._attribute(place, self._pack_of_place(place))

    def codec(self, type_name: str) -> Codec | None:
        """The codec of a socket type, imported when it is first used."""
        socket = self.sockets.get(type_name)
        if socket is None or socket.codec is None:
            return None
        place, pack = socket.codec, self._pack_of_place(socket.codec)
        return PackCodec(type_name, pack, lambda: self._attribute(place, pack))

    def draw(self, name: str) -> type[Draw] | None:
        """The draw of that name, imported when it is first asked for; None when neither we nor a pack have it.

        Raises:
            PackFailed: A pack has it, and it cannot be imported or is no draw.
        """
        place = self._joined().extensions.get(TABLE, {}).get(name)
        if name in DRAWS or place is None:
            return DRAWS.get(name)
        found = self._attribute(place, pack := self._pack_of_place(place))
        if not (isinstance(found, type) and issubclass(found, Draw)):
            raise PackFailed(pack, f"the draw {name!r} ({place}) is no class made from nodeflow.api.Draw")
        return found

    def converters(self, source: Type, target: Type) -> tuple[str, ...]:
        """The ids of the nodes that turn ``source`` into what fits ``target``, the most exact first."""
        return converters(self.specs.values(), source, target)

    def settings(self, pack: str) -> Mapping[str, SettingValue]:
        """The settings of a pack as they are now, the user's or the default; empty for a pack that has none."""
        if (known := self._settings.get(pack)) is not None:
            return known
        manifest = self.packs.get(pack)
        return {} if manifest is None else {item.name: item.default for item in manifest.settings}

    def setting(self, pack: str, name: str) -> SettingValue:
        """One setting of a pack; raises KeyError when it declares none of that name."""
        return self.settings(pack)[name]

    def choices(self, table: str) -> tuple[str, ...]:
        """The names in an open table; nothing is imported."""
        return tuple(self._joined().extensions.get(table, {}))

    def extensions(self, table: str) -> Mapping[str, Any]:
        """An open table: its names are there at once, and a value is imported when it is first looked up."""
        places = self._joined().extensions.get(table, {})
        return LazyTable(places, lambda place: self._attribute(place, self._pack_of_place(place)))

    def _joined(self) -> Tables:
        if self._tables is None:
            self._tables = join(self.manifests, [spec for spec, _ in self._single.values()], self._reported)
        return self._tables

    def _knows(self, fn: Callable[..., Any], spec: Spec) -> bool:
        """Whether ``fn`` is what stands behind the id already; a function that was typed in may be typed in anew."""
        if spec.id in self._single:
            return self._single[spec.id][1] is fn
        known = self.specs.get(spec.id)
        return known is not None and known.implementation == spec.implementation

    def _function(self, spec: Spec) -> Callable[..., Any]:
        single = self._single.get(spec.id)
        if single is not None:
            return single[1]
        function: Callable[..., Any] = self._attribute(spec.implementation, spec.pack)
        return function

    def _pack_of_place(self, place: str) -> str:
        top = place.partition(":")[0].partition(".")[0]
        return next((item.name for item in self.manifests if item.package.partition(".")[0] == top), top)

    def _attribute(self, place: str, pack: str) -> Any:
        return self.code.attribute(place, pack, self.packs)
