"""The plan of one run: which nodes are needed, under which keys, and which are ready.

Planning goes backwards from what is wanted; a remembered result cuts everything above it. Keys are computed forwards
in one pass before anything runs. A lazy or an expanding node has no key until it is known what it needed; nodes below
it wait for theirs, and enter the plan the moment they get one. Nothing here recurses along links, calls a node, or
knows a thread.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from hashlib import sha256
from os import urandom
from typing import Protocol

from nodeflow.core.canonical import record_bytes
from nodeflow.core.json import JsonValue
from nodeflow.core.resolved import ResolvedGraph, ResolvedNode, Wire
from nodeflow.core.spec import Spec
from nodeflow.engine import keys as key_records
from nodeflow.engine.nodetypes import NodeType
from nodeflow.engine.runtime import Constant

IDLE, KEYLESS, PLANNED, DONE, LOST = range(5)
"""States of a node: not looked at; wanted, but its key is not known; will run; has results; never will."""

_STILL_TO_COME = (IDLE, DONE)
"""A source in one of these states has to be wanted; one that is done has let its outputs go."""

Place = tuple[int, str]
Outputs = tuple[object, ...]


class Planner(Protocol):
    """What a plan asks of the run it belongs to."""

    def type_of(self, spec: Spec) -> NodeType:
        """The prepared spec."""
        ...

    def recall(self, index: int, key: bytes) -> Outputs | None:
        """The remembered outputs of a node, announced as a hit; None when there are none, or the node has failed."""
        ...

    def recall_choice(self, state: bytes) -> str | None:
        """Which input a lazy node awaited in ``state``: empty for none any more, None when that is not known."""
        ...

    def expand(self, index: int) -> None:
        """Let the expander at ``index`` record its graph and add it to the plan."""
        ...

    def fail(self, index: int, error: Exception) -> None:
        """A node cannot be run, for a reason found while planning."""
        ...

    def delivered(self, index: int) -> None:
        """A node that somebody waits for has its outputs, has been expanded, or never will have any."""
        ...


class Plan:
    """Nodes by index, and what is known of each.

    Attributes:
        keys: Key of each needed node; None while it is not known.
        values: Outputs of each node that has some and is still of use.
        uses: How many planned consumers have not run yet.
        ready: Nodes that can run on the device now; the last one is next, so that one branch is finished before
            another starts.
        elsewhere: Nodes that can run now and do not need the device.
        bases: State from which each lazy node starts to choose.
        volatile: Nodes whose key will never be seen again.
        watched: Nodes about which the planner wants to hear.
        roots: Nodes that run although nobody asks for their outputs.
    """

    def __init__(self, graph: ResolvedGraph, planner: Planner, keep_records: bool) -> None:
        count = len(graph.nodes)
        self.nodes: list[ResolvedNode] = list(graph.nodes)
        self.wires: list[tuple[Wire, ...]] = [node.wires for node in graph.nodes]
        self.types: list[NodeType] = [planner.type_of(node.spec) for node in graph.nodes]
        self.keys: list[bytes | None] = [None] * count
        self.records: dict[str, bytes] | None = {} if keep_records else None
        self.state: list[int] = [IDLE] * count
        self.values: list[Outputs | None] = [None] * count
        self.pending: list[int] = [0] * count
        self.uses: list[int] = [0] * count
        self.consumers: list[list[int] | None] = [None] * count
        self.ready: list[int] = []
        self.elsewhere: list[int] = []
        self.bases: dict[int, bytes] = {}
        self.volatile: set[int] = set()
        self.watched: set[int] = set()
        self.roots: list[int] = []
        self.with_roots = False
        self.aliases: dict[Place, Place | Constant] = {}
        self.copies: dict[int, int] = {}
        self.planned = 0
        self._planner = planner
        self._owners: dict[bytes, int] = {}
        self._followers: dict[int, list[int]] = {}
        self._demanded: set[int] = set()
        self._tags: dict[tuple[str, str], bytes] = {}
        self._special = False

    # Keys, forwards.

    def identify_all(self, wanted: Iterable[int]) -> None:
        """Give a key to every node above ``wanted`` that can have one before anything runs."""
        nodes, types, keys, tags, records = self.nodes, self.types, self.keys, self._tags, self.records
        for index in self._needed(wanted):
            node, type = nodes[index], types[index]
            if self._special or not type.plain or node.depth:
                self._identify_or_fail(index)
                continue
            parts = [type.head, node.record, b"\n"]
            for wire in node.wires:
                source = wire.source
                key = keys[source]
                if key is None:
                    break
                tag = wire.input, wire.output
                parts += (tags.get(tag) or self._tag(tag), key)
            else:
                record = b"".join(parts)
                keys[index] = sha256(record).digest()
                if records is not None:
                    records[node.id] = record
                continue
            self._identify_or_fail(index)

    def identify(self, index: int) -> bool:
        """Compute the key of one node, if everything it depends on is known."""
        node, type = self.nodes[index], self.types[index]
        if self.aliases:
            node = self._follow_aliases(index)
        parts = [type.head, node.record, b"\n"]
        if node.depth:
            parts.append(key_records.depth_entry(node.depth))
        parts.append(type.files(node))
        for wire in self.eager(index):
            key = self.keys[wire.source]
            if key is None:
                self._await_key(index, wire.source)
                return False
            if wire.source in self.volatile:
                self.volatile.add(index)
            parts += (self._tag((wire.input, wire.output)), key)
        if type.expands:
            return False
        record = b"".join(parts)
        if self.records is not None:
            self.records[node.id] = record
        return self._set_key(index, sha256(record).digest())

    def settle(self, index: int, key: bytes) -> None:
        """A lazy node has run, so its key is known: plan what waited for it."""
        if self.keys[index] is None:
            self.keys[index] = key
            self.propagate(index)

    def make_volatile(self, index: int) -> None:
        """What a node gave will not be the same again: neither it nor what is below may be remembered."""
        self.volatile.add(index)
        self.settle(index, urandom(key_records.KEY_BYTES))

    def propagate(self, index: int) -> None:
        """The key of ``index`` is known, or it has been expanded: go on with what waited for that."""
        work = [index]
        while work:
            for follower in self._followers.pop(work.pop(), ()):
                if self.state[follower] == LOST:
                    continue
                if self._identify_or_fail(follower):
                    work.append(follower)
                    if self.state[follower] == KEYLESS:
                        self.state[follower] = IDLE
                        self.want(follower)
                elif follower in self._demanded and self._can_start(follower):
                    self.want(follower)

    def eager(self, index: int) -> tuple[Wire, ...]:
        """The links whose values a node gets before it starts; a list that maps a node is never lazy."""
        lazy = self.types[index].lazy
        if not lazy:
            return self.wires[index]
        return tuple(wire for wire in self.wires[index] if wire.input not in lazy or wire.depth)

    def resolve(self, place: Place) -> Place | Constant:
        """Where an output really comes from, expanders looked through."""
        found: Place | Constant = place
        while isinstance(found, tuple) and found in self.aliases:
            found = self.aliases[found]
        return found

    # Needs, backwards.

    def wanted(self, graph: ResolvedGraph, targets: Sequence[Place] | None) -> list[Place]:
        """What a run for ``targets`` has to compute; see ``Engine.run``."""
        if targets is not None:
            return [*targets]
        self.with_roots = True
        self.roots += [index for index, type in enumerate(self.types) if type.root]
        return [*graph.outputs.values(), *((index, "") for index in self.roots)] or _loose_ends(graph)

    def want(self, index: int) -> None:
        """Make sure that the outputs of a node will be there."""
        stack = [index]
        while stack:
            current = stack.pop()
            state = self.state[current]
            if state == DONE and self.values[current] is None and not self.types[current].expands:
                state = self.state[current] = IDLE
            if state != IDLE:
                continue
            key = self.keys[current]
            type = self.types[current]
            if type.cached:
                if key is None:
                    self.state[current] = KEYLESS
                    stack += self._demand(current)
                    continue
                if self._have(current, key) or self.state[current] == LOST:
                    continue
            elif key is None and not type.control:
                self.state[current] = KEYLESS
                stack += self._demand(current)
                continue
            self._plan(current, stack)

    def deliver(self, index: int, outputs: Outputs) -> None:
        """A node has its outputs: hand them to what waits for them."""
        self.values[index] = outputs
        self.state[index] = DONE
        waiting = self.consumers[index]
        if waiting:
            self.consumers[index] = None
            pending, types = self.pending, self.types
            for consumer in waiting:
                pending[consumer] -= 1
                if not pending[consumer]:
                    (self.ready if types[consumer].on_device else self.elsewhere).append(consumer)
        if index in self.watched:
            self._planner.delivered(index)

    def release(self, index: int) -> None:
        """A node has run: let go of inputs that nobody else needs."""
        uses, values = self.uses, self.values
        for wire in self.eager(index):
            source = wire.source
            uses[source] -= 1
            if not uses[source] and self.types[source].cached:
                values[source] = None

    def lose(self, index: int) -> list[int]:
        """A node will never have outputs, nor will what hangs below it; returns those below."""
        lost: list[int] = []
        work = [index]
        while work:
            current = work.pop()
            if self.state[current] in (LOST, DONE):
                continue
            self.state[current] = LOST
            if current != index:
                lost.append(current)
            work += self.consumers[current] or ()
            work += self._followers.pop(current, ())
            if current in self.watched:
                self._planner.delivered(current)
        return lost

    # Growth.

    def add(self, node: ResolvedNode) -> int:
        """Append a node that an expander recorded."""
        self.nodes.append(node)
        self.wires.append(node.wires)
        self.types.append(self._planner.type_of(node.spec))
        self.keys.append(None)
        self.state.append(IDLE)
        self.values.append(None)
        self.pending.append(0)
        self.uses.append(0)
        self.consumers.append(None)
        self._special = True
        index = len(self.nodes) - 1
        if self.with_roots and self.types[index].root:
            self.roots.append(index)
        return index

    def identify_added(self, indices: Sequence[int]) -> None:
        """Give keys to nodes that were just added, in their order."""
        for index in indices:
            self._identify_or_fail(index)

    # Inside.

    def _needed(self, wanted: Iterable[int]) -> Iterator[int]:
        needed = bytearray(len(self.nodes))
        last = -1
        for index in wanted:
            needed[index] = 1
            last = max(last, index)
        wires = self.wires
        for index in range(last, -1, -1):
            if needed[index]:
                for wire in wires[index]:
                    needed[wire.source] = 1
        return (index for index in range(last + 1) if needed[index])

    def _tag(self, place: tuple[str, str]) -> bytes:
        tag = self._tags.get(place)
        if tag is None:
            tag = self._tags[place] = key_records.link_tag(*place)
        return tag

    def _identify_or_fail(self, index: int) -> bool:
        self._special = True
        type = self.types[index]
        try:
            if self.identify(index):
                return True
            if type.expands and not self.eager(index) and self.state[index] == IDLE:
                self._planner.expand(index)
        except Exception as error:  # noqa: BLE001 - whatever a pack or a file does wrong stops this node only
            self._planner.fail(index, error)
        return False

    def _set_key(self, index: int, digest: bytes) -> bool:
        type = self.types[index]
        if type.volatile:
            self.volatile.add(index)
            self.keys[index] = urandom(key_records.KEY_BYTES)
            return True
        if not type.lazy:
            self.keys[index] = digest
            return True
        self.bases[index] = digest
        self.keys[index] = self._chosen(index, digest)
        return self.keys[index] is not None

    def _chosen(self, index: int, state: bytes) -> bytes | None:
        """The key of a lazy node from what it is known to have awaited under the same circumstances."""
        while True:
            name = self._planner.recall_choice(state)
            if name is None:
                return None
            if not name:
                return key_records.settled(state)
            step = self.next_state(index, state, name)
            if step is None:
                return None
            state = step

    def next_state(self, index: int, state: bytes, name: str) -> bytes | None:
        """The state of a lazy node after it awaited the input ``name``; None while that has no lasting key."""
        for wire in self.wires[index]:
            if wire.input != name:
                continue
            place = self.resolve((wire.source, wire.output))
            if isinstance(place, Constant):
                return key_records.next_choice(state, name, key_records.constant(record_bytes(_json(place))), "")
            key = self.keys[place[0]]
            if key is None or place[0] in self.volatile:
                return None
            return key_records.next_choice(state, name, key, place[1])
        return None

    def _follow_aliases(self, index: int) -> ResolvedNode:
        node = self.nodes[index]
        wires: list[Wire] = []
        literals: dict[str, JsonValue] = {}
        for wire in self.wires[index]:
            place = self.resolve((wire.source, wire.output))
            if isinstance(place, Constant):
                literals[wire.input] = _json(place)
            else:
                wires.append(Wire(wire.input, *place, wire.depth))
        self.wires[index] = tuple(wires)
        if literals:
            together = {**node.literals, **literals}
            node = self.nodes[index] = replace(node, literals=together, record=record_bytes(together))
        return node

    def _await_key(self, index: int, source: int) -> None:
        if self.state[source] == LOST:
            self.lose(index)
        else:
            self._followers.setdefault(source, []).append(index)

    def _can_start(self, index: int) -> bool:
        return index in self.bases or self.types[index].expands

    def _demand(self, index: int) -> list[int]:
        """The lazy and expanding nodes that must run before the key of ``index`` can be known."""
        found: list[int] = []
        work = [index]
        while work:
            current = work.pop()
            if current in self._demanded:
                continue
            self._demanded.add(current)
            if self.types[current].control and self._can_start(current):
                found.append(current)
            else:
                work += (wire.source for wire in self.eager(current) if self.keys[wire.source] is None)
        return found

    def _have(self, index: int, key: bytes) -> bool:
        """Whether the outputs are remembered, or another node of this run makes the same ones."""
        outputs = self._planner.recall(index, key)
        if outputs is not None:
            self.deliver(index, outputs)
            return True
        owner = self._owners.setdefault(key, index)
        if owner == index:
            return False
        if self.state[owner] == LOST:
            self.lose(index)
            return True
        if self.state[owner] == DONE and self.values[owner] is None:
            self._owners[key] = index
            return False
        self._copy(index, owner)
        return True

    def _copy(self, index: int, owner: int) -> None:
        self.copies[index] = owner
        self.state[index] = PLANNED
        self.uses[owner] += 1
        if self.state[owner] == DONE:
            self.make_ready(index)
            return
        self.pending[index] = 1
        waiting = self.consumers[owner]
        if waiting is None:
            self.consumers[owner] = [index]
        else:
            waiting.append(index)

    def _plan(self, index: int, stack: list[int]) -> None:
        state, uses, values, consumers = self.state, self.uses, self.values, self.consumers
        state[index] = PLANNED
        self.planned += 1
        pending = 0
        for wire in self.eager(index):
            source = wire.source
            uses[source] += 1
            found = state[source]
            if found == DONE and values[source] is not None:
                continue
            if found == LOST:
                self.lose(index)
                return
            pending += 1
            waiting = consumers[source]
            if waiting is None:
                consumers[source] = [index]
            else:
                waiting.append(index)
            if found in _STILL_TO_COME:
                stack.append(source)
        self.pending[index] = pending
        if not pending:
            self.make_ready(index)

    def make_ready(self, index: int) -> None:
        """All inputs of a node are there."""
        (self.ready if self.types[index].on_device else self.elsewhere).append(index)


def _loose_ends(graph: ResolvedGraph) -> list[Place]:
    taken = {(wire.source, wire.output) for node in graph.nodes for wire in node.wires}
    every = ((index, output.name) for index, node in enumerate(graph.nodes) for output in node.spec.outputs)
    return [place for place in every if place not in taken]


def _json(constant: Constant) -> JsonValue:
    value = constant.value
    if value is None or isinstance(value, bool | int | float | str | list | dict):
        return value  # pyright: ignore[reportUnknownVariableType]
    raise TypeError(f"an expander returned a {type(value).__name__}, which is neither a link nor a literal")
