"""What the engine needs from outside, as protocols, and the plain values that cross that line."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from nodeflow.core.json import JsonValue
from nodeflow.core.resolved import ResolvedGraph
from nodeflow.core.secrets import Vault
from nodeflow.core.spec import Input, Spec
from nodeflow.core.stored import Stored
from nodeflow.core.types import Codec
from nodeflow.engine.inside import Nested


@dataclass(frozen=True, slots=True)
class ResolvedFile:
    """A file that a literal names.

    Attributes:
        path: Absolute and contained in one of the allowed folders.
        fingerprint: Changes whenever the content may have changed; part of the node's key.
    """

    path: str
    fingerprint: str


@dataclass(frozen=True, slots=True)
class SavedFile:
    """A file of the output folder that holds what a node wanted to be saved.

    Attributes:
        unchanged: The very same file was there already.
    """

    path: str
    unchanged: bool = False


@dataclass(frozen=True, slots=True)
class Constant:
    """An output of an expander that is a plain value instead of a link."""

    value: object


@dataclass(frozen=True, slots=True)
class Expansion:
    """What an expander recorded.

    Attributes:
        graph: The recorded nodes. Among them stand placeholders for the expander's own linked inputs; they are
            never run.
        arguments: Index of each placeholder in ``graph.nodes`` to the input it stands for, by its key in ``linked``.
        outputs: For every output of the expander the place in ``graph`` where it comes from (which may be a
            placeholder), or a constant.
        continuing: Recorded expanders that go on where this one ends: what they record gets ids beside it.
    """

    graph: ResolvedGraph
    arguments: Mapping[int, str]
    outputs: Mapping[str, tuple[int, str] | Constant]
    continuing: Collection[int] = ()


Check: TypeAlias = Callable[[], Mapping[str, str]]
"""Tells which of the watched inputs were changed since, by name, and what of each was."""

Guard: TypeAlias = Callable[[Mapping[str, object]], Check]
"""Begins to watch the inputs of one call."""


class Services(Protocol):
    """The outside of the engine; a session implements it."""

    @property
    def vault(self) -> Vault:
        """Hands out secrets and masks them in texts; the same for as long as results are kept in memory."""
        ...

    def guard(self) -> Guard | None:
        """How to find out that a node changed one of its inputs; None when nobody wants to know."""
        ...

    def setting(self, spec: Spec, name: str) -> str | int | float | bool:
        """A setting of the pack that ``spec`` belongs to; KeyError when it declares none of this name."""
        ...

    def implementation(self, spec: Spec) -> Callable[..., object]:
        """The function that computes ``spec``; importing it is allowed to take long and to fail."""
        ...

    def resolve_file(self, input: Input, value: str) -> ResolvedFile:
        """The file that the literal ``value`` of a model or image file input names; raises when there is none.

        For a text that may name files, ``value`` is such a name.
        """
        ...

    def fingerprint(self, kind: str) -> str:
        """Changes with the name and the content of every model file of one kind."""
        ...

    def code_digest(self, spec: Spec) -> str:
        """Digest of the code that computes ``spec``: equal digests, equal results."""
        ...

    def environment(self, device: str, dtype: str) -> str:
        """What of the machine changes results: library versions, kind of device, precision."""
        ...

    def expand(self, spec: Spec, values: Mapping[str, object], linked: Nested) -> Expansion:
        """Let an expander record its graph.

        Args:
            values: Inputs whose value is known.
            linked: The links: name to itself and nothing; for a link inside a list or a row its label to the input
                and the place within the value. Where ``values`` has nothing, or null in that place, a ``Ref``
                placeholder stands for what it brings.
        """
        ...

    def codec(self, type_name: str) -> Codec | None:
        """How values of a socket type are turned into bytes, or None when they stay in memory."""
        ...

    def extensions(self, table: str) -> Mapping[str, object]:
        """What packs have added to an open table."""
        ...

    def choices(self, table: str) -> Sequence[JsonValue]:
        """The names in an open table."""
        ...

    def save(self, prefix: str, suffix: str, data: bytes | Iterable[bytes]) -> SavedFile:
        """Write a file into the output folder, unless the very same one is there already."""
        ...

    def provenance(self, node_id: str, item: tuple[int, int] | None) -> Mapping[str, str]:
        """Text chunks to embed into a file that ``node_id`` writes."""
        ...

    def is_out_of_memory(self, error: BaseException) -> bool:
        """Whether ``error`` means that memory of the machine or the device was exhausted."""
        ...

    def release_memory(self) -> None:
        """Give back what allocators hold without using it."""
        ...


class DiskTier(Protocol):
    """Results that outlive the process, one verified file per key; shared by many processes without an index."""

    def known(self) -> Collection[bytes]:
        """Keys that seemed to be there when last looked; ``read`` has the last word."""
        ...

    def read(self, key: bytes) -> Stored | None:
        """The result kept under ``key``, verified to the last byte; a bad file is deleted and counts as missing."""
        ...

    def write(self, key: bytes, stored: Stored) -> bool:
        """Keep a result; False when it could not be kept, which is never an error."""
        ...

    def forget(self, key: bytes) -> None:
        """Delete the result kept under ``key``, if there is one."""
        ...

    def lock(self, key: bytes) -> Callable[[], None] | None:
        """Take the right to compute ``key``: how to give it back, or None while another process has it."""
        ...

    def record(self, records: Mapping[str, bytes]) -> None:
        """Remember the key records of a run by node id, so that ``explain`` can tell what changed since."""
        ...

    def recorded(self) -> Sequence[Mapping[str, bytes]]:
        """The remembered key records, latest run first."""
        ...

    def warnings(self) -> Sequence[str]:
        """What has to be said about the disk and was not said yet, such as that it is full."""
        ...


class Cancel:
    """A wish to stop; it is granted between two nodes and between two steps of a node."""

    __slots__ = ("_listeners", "_requested")

    def __init__(self) -> None:
        self._requested = False
        self._listeners: list[Callable[[], None]] = []

    @property
    def requested(self) -> bool:
        """Whether somebody wants the run to stop."""
        return self._requested

    def request(self) -> None:
        """Ask the run to stop; safe from any thread and from a signal handler."""
        self._requested = True
        for wake in tuple(self._listeners):
            wake()

    def subscribe(self, wake: Callable[[], None]) -> Callable[[], None]:
        """Call ``wake`` when the run shall stop, now if it already shall; returns how to unsubscribe."""
        self._listeners.append(wake)
        if self._requested:
            wake()
        return lambda: self._listeners.remove(wake)
