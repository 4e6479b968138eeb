"""Giving nodes their keys: forwards, in one pass before anything runs, and later for what had to wait.

A lazy or an expanding node has no key until it is known what it needed. Nodes below it wait for theirs.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from hashlib import sha256
from typing import cast

from nodeflow.core.canonical import record_bytes
from nodeflow.core.json import JsonValue
from nodeflow.core.resolved import ResolvedNode, Wire
from nodeflow.engine import keys as key_records
from nodeflow.engine.board import IDLE, LOST, Board, Planner
from nodeflow.engine.failures import EndlessExpansion
from nodeflow.engine.holds import Holds
from nodeflow.engine.inside import put_inside
from nodeflow.engine.own import value_of
from nodeflow.engine.runtime import Constant

MOST_IN_A_ROW = 20_000
"""Expanders that each are recorded by the one before, with no node run between them, do not end from here on."""


class Identities:
    """Computes the keys of a board.

    Attributes:
        records: The record behind each key by node id, when somebody keeps them.
        bases: The state from which each lazy node starts to choose.
        lose: What to do with a node whose key can never be known.
    """

    def __init__(
        self, board: Board, planner: Planner, holds: Holds, lose: Callable[[int], None], keep_records: bool
    ) -> None:
        self.records: dict[str, bytes] | None = {} if keep_records else None
        self.bases: dict[int, bytes] = {}
        self._board = board
        self._planner = planner
        self._holds = holds
        self._lose = lose
        self._followers: dict[int, list[int]] = {}
        self._tags: dict[tuple[str, str], bytes] = {}
        self._special = False
        self._recorded: list[int] | None = None  # while something is expanded: what can be expanded next

    def identify_all(self, wanted: Iterable[int]) -> None:
        """Give a key to every node above ``wanted`` that can have one before anything runs."""
        board, tags, records = self._board, self._tags, self.records
        nodes, types, keys = board.nodes, board.types, board.keys
        for index in self._needed(wanted):
            node, type = nodes[index], types[index]
            # From the first node on that is out of the ordinary, all take the general way.
            if self._special or not type.plain or node.depth:
                self.identify_or_fail(index)
                continue
            parts = [type.head, node.record, b"\n"]
            for wire in node.wires:
                tag = wire.input, wire.output
                key = keys[wire.source]
                assert key is not None
                parts += (tags.get(tag) or self._tag(tag), key)
            record = b"".join(parts)
            keys[index] = sha256(record).digest()
            if records is not None:
                records[node.id] = record

    def identify_or_fail(self, index: int) -> bool:
        """Compute the key of one node if everything it depends on is known, and expand what can be expanded."""
        self._special = True
        try:
            if self._identify(index):
                return True
        except Exception as error:  # noqa: BLE001 - whatever a pack or a file does wrong stops this node only
            self._planner.fail(index, error)
            return False
        if self._board.types[index].expands and not self._board.eager(index):
            self._expand(index)
        return False

    def _expand(self, index: int) -> None:
        """Expand a node, and what that records as far as it can be expanded too, one after another."""
        if self._recorded is not None:
            self._recorded.append(index)
            return
        stack = [(index, 1)]
        while stack:
            current, turn = stack.pop()
            if self._board.state[current] != IDLE:  # it has been planned meanwhile, or lost
                continue
            self._recorded = []
            try:
                if turn > MOST_IN_A_ROW:
                    raise EndlessExpansion("expands without end; none of its turns waits for anything to be computed")
                self._planner.expand(current)
            except (Exception, SystemExit) as error:  # noqa: BLE001 - what an expander does wrong stops what is below only
                self._planner.fail(current, error)
            stack += ((recorded, turn + 1) for recorded in reversed(self._recorded))
        self._recorded = None

    def settle(self, index: int, key: bytes) -> bool:
        """A lazy node has run, so its key is known; whether that is new."""
        if self._board.keys[index] is not None:
            return False
        self._board.keys[index] = key
        return True

    def take_followers(self, index: int) -> Sequence[int]:
        """The nodes whose keys waited for that of ``index``; they are forgotten here."""
        return self._followers.pop(index, ())

    def next_state(self, index: int, state: bytes, name: str) -> bytes | None:
        """The state of a lazy node after it awaited the input ``name``; None while that has no lasting key."""
        board = self._board
        wire = next(wire for wire in board.wires[index] if wire.input == name)
        place = board.resolve((wire.source, wire.output))
        if isinstance(place, Constant):
            return key_records.next_choice(state, name, key_records.constant(record_bytes(_json(place))), "")
        key = board.keys[place[0]]
        if key is None or place[0] in board.volatile:
            return None
        return key_records.next_choice(state, name, key, place[1])

    def _needed(self, wanted: Iterable[int]) -> Iterator[int]:
        wires = self._board.wires
        needed = bytearray(len(wires))
        last = -1
        for index in wanted:
            needed[index] = 1
            last = max(last, index)
        for index in range(last, -1, -1):
            if needed[index]:
                for wire in wires[index]:
                    needed[wire.source] = 1
        return (index for index in range(last + 1) if needed[index])

    def _tag(self, names: tuple[str, str]) -> bytes:
        tag = self._tags.get(names)
        if tag is None:
            tag = self._tags[names] = key_records.link_tag(*names)
        return tag

    def _identify(self, index: int) -> bool:
        board = self._board
        node, type = board.nodes[index], board.types[index]
        if board.aliases:
            node = self._follow_aliases(index)
        parts = [type.head, node.record, b"\n"]
        if node.depth:
            parts.append(key_records.depth_entry(node.depth))
        parts.append(type.files(node))
        for wire in board.eager(index):
            key = board.keys[wire.source]
            if key is None:
                self._await_key(index, wire.source)
                return False
            if wire.source in board.volatile:
                board.volatile.add(index)
            if wire.source in board.in_memory:
                board.in_memory.add(index)
            parts += (self._tag((wire.input, wire.output)), key)
        if type.expands:
            return False
        record = b"".join(parts)
        if self.records is not None:
            self.records[node.id] = record
        board.keys[index] = self._key(index, sha256(record).digest())
        return board.keys[index] is not None

    def _key(self, index: int, digest: bytes) -> bytes | None:
        type = self._board.types[index]
        if type.external:
            return self._planner.outside_key(index, digest)
        if not type.lazy:
            return digest
        self.bases[index] = digest
        return self._chosen(index, digest)

    def _chosen(self, index: int, state: bytes) -> bytes | None:
        """The key of a lazy node from what it is known to have awaited under the same circumstances."""
        found: bytes | None = state
        while found is not None:
            name = self._planner.recall_choice(found)
            if not name:
                return None if name is None else key_records.settled(found)
            found = self.next_state(index, found, name)
        return None

    def _await_key(self, index: int, source: int) -> None:
        if self._board.state[source] == LOST:
            self._lose(index)
        else:
            self._followers.setdefault(source, []).append(index)

    def _follow_aliases(self, index: int) -> ResolvedNode:
        board = self._board
        node = board.nodes[index]
        wires: list[Wire] = []
        literals: dict[str, object] = {}
        for wire in board.wires[index]:
            place = board.resolve((wire.source, wire.output))
            if isinstance(place, Constant) and wire.depth:  # a literal cannot be spread over calls
                place = board.add(value_of(f"{node.id}.{wire.input}", _json(place))), "out"
                self._identify(place[0])
            if isinstance(place, Constant):
                value, hold = _json(place), self._holds.on(index, wire, None)
                literals[wire.input] = value if hold is None else self._holds.read(hold, value)
            else:
                wires.append(Wire(wire.input, *place, wire.depth))
        board.wires[index] = tuple(wires)
        if literals:
            together = cast("dict[str, JsonValue]", put_inside({**node.literals, **literals}, node.nested or {}))
            node = board.nodes[index] = replace(node, literals=together, record=record_bytes(together))
        return node


def _json(constant: Constant) -> JsonValue:
    value = constant.value
    if value is None or isinstance(value, bool | int | float | str | list | dict):
        return cast(JsonValue, value)
    raise TypeError(f"an expander returned a {type(value).__name__}, which is neither a link nor a literal")
