"""Results of external nodes: remembered as far and as long as the node says, made anew on demand.

The record of an external node tells what was asked, not what was answered. Its key is that of the record and of a
nonce that is drawn when the world is asked, so that everything below is remembered as long as the answer is. A stamp,
kept under the key of the record, tells the nonce and when the answer was given.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from math import inf
from os import urandom

from nodeflow.core.errors import UsageError
from nodeflow.core.resolved import ResolvedGraph
from nodeflow.core.spec import Form, Kind, Scope
from nodeflow.core.suggest import did_you_mean
from nodeflow.engine.board import Board, Outputs
from nodeflow.engine.cache import Entry
from nodeflow.engine.keys import KEY_BYTES, digest
from nodeflow.engine.noderun import Item
from nodeflow.engine.tiers import Tiers

_STAMP = "stamp"


@dataclass(frozen=True, slots=True)
class Stamp:
    """When an external node was answered, in seconds since the epoch, and the nonce of that answer."""

    made: float
    nonce: bytes

    def left(self, age: float, now: float) -> float:
        """For how many seconds the answer still holds; a stamp of the future is none."""
        return age - (now - self.made) if now >= self.made else 0.0

    @classmethod
    def of(cls, entry: Entry) -> "Stamp":
        """The stamp that ``entry`` made of one."""
        made, nonce = entry.outputs
        return cls(float(str(made)), bytes.fromhex(str(nonce)))

    def entry(self, seconds: float) -> Entry:
        """The stamp as it is kept."""
        return Entry((self.made, self.nonce.hex()), seconds, seconds, _STAMP)


def stamp_key(base: bytes) -> bytes:
    """Where the stamp for a record is kept."""
    return digest(b"nodeflow.stamp.1\n", base)


def answer_key(base: bytes, nonce: bytes) -> bytes:
    """The key of an external node."""
    return digest(b"nodeflow.answer.1\n", base, nonce)


def item_key(base: bytes, item: Item) -> bytes:
    """Where the answer for one item of a mapped node is kept, with the time when it was given."""
    return digest(b"nodeflow.item.1\n", base, ",".join(map(str, item)).encode())


def reach(board: Board, index: int) -> Scope:
    """How far the result of an external node is remembered, given what is above it; the board is told."""
    type = board.types[index]
    if not type.remembered or type.spec.scope is Scope.RUN or index in board.volatile:
        board.volatile.add(index)
        return Scope.RUN
    if type.spec.scope is Scope.SESSION or index in board.in_memory:
        board.in_memory.add(index)
        return Scope.SESSION
    return Scope.HOME


class Refresh:
    """Which external nodes are to be asked again, whatever is remembered of them.

    Args:
        wanted: Ids, each for the node and all that it stands for (``twice`` is ``twice/s1`` as well); True for all.
    """

    def __init__(self, wanted: Collection[str] | bool = False) -> None:
        self._all = wanted is True
        self._ids = frozenset(() if isinstance(wanted, bool) else wanted)

    def wants(self, id: str) -> bool:
        """Whether the node is to be asked again."""
        return self._all or (bool(self._ids) and any(_stands_for(wanted, id) for wanted in self._ids))

    def check(self, graph: ResolvedGraph) -> None:
        """Make sure that every id means something.

        Raises:
            UsageError: There is no such node, or it is not external.
        """
        for wanted in sorted(self._ids):
            meant = [node for node in graph.nodes if _stands_for(wanted, node.id) or _stands_for(node.id, wanted)]
            if not meant:
                hint = did_you_mean(wanted, [node.id for node in graph.nodes])
                raise UsageError(f'refresh: there is no node "{wanted}"' + (f" → {hint}" if hint else ""))
            if not any(node.spec.kind is Kind.EXTERNAL or node.spec.form is Form.EXPANDER for node in meant):
                kind = meant[0].spec.id
                raise UsageError(f'refresh: {kind} "{wanted}" is not external: it changes with its inputs only')


class Outside:
    """What one run knows of the answers of the outside world."""

    def __init__(self, tiers: Tiers, clock: Callable[[], float], refresh: Refresh) -> None:
        self._tiers = tiers
        self._clock = clock
        self._refresh = refresh
        self._nonces: dict[bytes, bytes] = {}
        self._asked: set[bytes] = set()
        self._refreshed: set[bytes] = set()
        self._lasting: dict[bytes, tuple[bytes, bytes, Scope, float]] = {}

    def key(self, board: Board, index: int, base: bytes) -> bytes:
        """The key of an external node whose record has the key ``base``."""
        scope = reach(board, index)
        if not board.types[index].remembered:
            return urandom(KEY_BYTES)
        nonce = self._nonce(board, index, base, scope)
        key = answer_key(base, nonce)
        if scope is not Scope.RUN:
            self._lasting[key] = base, nonce, scope, board.types[index].spec.age
        return key

    def keep(self, key: bytes, entry: Entry) -> None:
        """Remember an answer, and that it was given now."""
        base, nonce, scope, _ = self._lasting[key]
        at_home = scope is Scope.HOME
        stamp = Stamp(self._clock(), nonce).entry(entry.seconds)
        self._tiers.keep(key, entry, inf if at_home else 0.0, must=at_home)
        self._tiers.replace(stamp_key(base), stamp, on_disk=at_home)

    def item(self, key: bytes, item: Item) -> Outputs | None:
        """The answer for one item, from a run that ended before it had those for all."""
        known = self._lasting.get(key)
        if known is None or known[0] in self._refreshed:
            return None
        base, _, scope, age = known
        for found in self._tiers.versions(item_key(base, item), on_disk=scope is Scope.HOME):
            made, *outputs = found.outputs
            if Stamp(float(str(made)), b"").left(age, self._clock()) > 0:
                return tuple(outputs)
        return None

    def keep_items(self, key: bytes, answers: Mapping[Item, Outputs], seconds: float, label: str) -> None:
        """Remember the answers for single items."""
        base, _, scope, _ = self._lasting[key]
        now = self._clock()
        for item, outputs in answers.items():
            entry = Entry((now, *outputs), seconds, seconds, label)
            self._tiers.replace(item_key(base, item), entry, on_disk=scope is Scope.HOME)

    def _nonce(self, board: Board, index: int, base: bytes, scope: Scope) -> bytes:
        """That of an answer that still holds, else a new one; the same call is made once in a run."""
        refresh = self._refresh.wants(board.nodes[index].id) and base not in self._asked
        if refresh:
            self._refreshed.add(base)
        nonce = None if refresh else self._nonces.get(base)
        if nonce is None and not refresh and scope is not Scope.RUN:
            nonce = self._remembered(base, board.types[index].spec.age, scope)
        if nonce is None:
            self._asked.add(base)
            nonce = urandom(KEY_BYTES)
        self._nonces[base] = nonce
        return nonce

    def _remembered(self, base: bytes, age: float, scope: Scope) -> bytes | None:
        for found in self._tiers.versions(stamp_key(base), on_disk=scope is Scope.HOME):
            stamp = Stamp.of(found)
            if stamp.left(age, self._clock()) > 0 and self._tiers.hold(answer_key(base, stamp.nonce)):
                return stamp.nonce
        return None


def _stands_for(wanted: str, id: str) -> bool:
    return id == wanted or id.startswith((f"{wanted}/", f"{wanted}["))
