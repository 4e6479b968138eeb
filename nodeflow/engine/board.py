"""The nodes of one run by index, with everything that is known of each."""

from typing import Protocol, TypeAlias

from nodeflow.core.resolved import ResolvedGraph, ResolvedNode, Wire
from nodeflow.core.spec import Spec
from nodeflow.engine.events import Status
from nodeflow.engine.inside import Nested
from nodeflow.engine.nodetypes import NodeType
from nodeflow.engine.runtime import Constant
from nodeflow.engine.sizes import total_size

IDLE, KEYLESS, PLANNED, DONE, LOST = range(5)
"""States of a node: not looked at; wanted, but its key is not known; will run; has results; never will."""

NOT_CALLED = -1.0

Place: TypeAlias = tuple[int, str]
Outputs: TypeAlias = tuple[object, ...]


class Planner(Protocol):
    """What planning asks of the run it belongs to."""

    def type_of(self, spec: Spec) -> NodeType:
        """The prepared spec."""
        ...

    def recall(self, index: int, key: bytes) -> Outputs | None:
        """The remembered outputs of a node, announced as a hit; None when there are none, or the node has failed."""
        ...

    def recall_choice(self, state: bytes) -> str | None:
        """Which input a lazy node awaited in ``state``: empty for none any more, None when that is not known."""
        ...

    def outside_key(self, index: int, base: bytes) -> bytes:
        """The key of the external node at ``index`` whose record has the key ``base``; the board is told its reach."""
        ...

    def expand(self, index: int) -> None:
        """Let the expander at ``index`` record its graph and add it to the plan."""
        ...

    def fail(self, index: int, error: BaseException) -> None:
        """A node cannot be run, for a reason found while planning."""
        ...

    def delivered(self, index: int) -> None:
        """A node that somebody waits for has its outputs, has been expanded, or never will have any."""
        ...


class Board:
    """Parallel lists, because an object per node would cost more than all else that is done with it.

    Attributes:
        keys: Key of each needed node; None while it is not known.
        values: Outputs of each node that has some and is still of use.
        pending: How many inputs of a planned node are not there yet.
        uses: How many planned consumers have not run yet.
        consumers: Who waits for the outputs of a node.
        status: How each node ended so far.
        seconds: What the call of a node took; negative when it was not called.
        totals: What it took to have a node's outputs, with everything above it, the longest way counted.
        costs: What it would take again, as far as it is kept in no file.
        final: Nodes whose outputs are what the run is for: wanted as such, or taken by an effect.
        aliases: Outputs of expanders, and where they really come from.
        volatile: Nodes whose key will never be seen again.
        in_memory: Nodes whose key no other process will ever see.
        watched: Nodes about whose delivery the planner wants to hear.
        stems: What the ids below an expander start with, where that is not its own id.
        roots: Nodes still to be wanted although nobody asks for their outputs.
        with_roots: Such nodes belong to this run.
    """

    def __init__(self, graph: ResolvedGraph, planner: Planner) -> None:
        count = len(graph.nodes)
        self.nodes: list[ResolvedNode] = list(graph.nodes)
        self.types: list[NodeType] = [planner.type_of(node.spec) for node in graph.nodes]
        self.wires: list[tuple[Wire, ...]] = [node.wires for node in graph.nodes]
        self.keys: list[bytes | None] = [None] * count
        self.state: list[int] = [IDLE] * count
        self.values: list[Outputs | None] = [None] * count
        self.pending: list[int] = [0] * count
        self.uses: list[int] = [0] * count
        self.consumers: list[list[int] | None] = [None] * count
        self.status: list[Status] = [Status.SKIPPED] * count
        self.seconds: list[float] = [NOT_CALLED] * count
        self.totals: list[float] = [0.0] * count
        self.costs: list[float] = [0.0] * count
        self.final: set[int] = set()
        self.aliases: dict[Place, Place | Constant] = {}
        self.volatile: set[int] = set()
        self.in_memory: set[int] = set()
        self.watched: set[int] = set()
        self.stems: dict[int, str] = {}
        self.roots: list[int] = []
        self.with_roots = False
        self._planner = planner

    def add(self, node: ResolvedNode) -> int:
        """Append a node that an expander recorded."""
        type = self._planner.type_of(node.spec)
        self.nodes.append(node)
        self.types.append(type)
        self.wires.append(node.wires)
        self.keys.append(None)
        self.state.append(IDLE)
        self.values.append(None)
        self.pending.append(0)
        self.uses.append(0)
        self.consumers.append(None)
        self.status.append(Status.SKIPPED)
        self.seconds.append(NOT_CALLED)
        self.totals.append(0.0)
        self.costs.append(0.0)
        index = len(self.nodes) - 1
        if self.with_roots and type.root:
            self.roots.append(index)
        return index

    def add_up(self, index: int, seconds: float) -> None:
        """A node took ``seconds``: note what it took and would take with all that is above it."""
        sources = [wire.source for wire in self.eager(index)]
        self.totals[index] = seconds + max((self.totals[source] for source in sources), default=0.0)
        self.costs[index] = seconds + max((self.costs[source] for source in sources), default=0.0)

    def eager(self, index: int) -> tuple[Wire, ...]:
        """The links whose values a node gets before it starts; a list that maps a node is never lazy."""
        type = self.types[index]
        if not type.lazy:
            return self.wires[index]
        nested = self.nodes[index].nested if type.expands else None
        if not nested:  # what is awaited, is awaited whole: links inside it are followed beforehand
            return tuple(wire for wire in self.wires[index] if wire.input not in type.lazy or wire.depth)
        roots = {label: name for label, (name, _) in nested.items()}
        return tuple(
            wire for wire in self.wires[index] if roots.get(wire.input, wire.input) not in type.lazy or wire.depth
        )

    def depths(self, index: int) -> dict[str, int]:
        """For every input of a mapped node that is fed by a list, over how many levels it is spread."""
        return {wire.input: wire.depth for wire in self.wires[index] if wire.depth}

    def references(self, index: int) -> Nested:
        """The links of an expander; see ``Services.expand``."""
        nested = self.nodes[index].nested or {}
        return {wire.input: nested.get(wire.input, (wire.input, ())) for wire in self.wires[index]}

    def resolve(self, place: Place) -> Place | Constant:
        """Where an output really comes from, expanders looked through."""
        found: Place | Constant = place
        while isinstance(found, tuple) and found in self.aliases:
            found = self.aliases[found]
        return found

    def largest(self, count: int) -> list[tuple[str, int]]:
        """The largest values that are still needed, as node and bytes."""
        held = [
            (f"{self.nodes[index].id} ({self.nodes[index].spec.id})", total_size(outputs))
            for index, outputs in enumerate(self.values)
            if outputs
        ]
        return sorted(held, key=lambda item: item[1], reverse=True)[:count]
