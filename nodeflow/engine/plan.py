"""The plan of one run: what is needed, what is ready, what is lost.

Planning goes backwards from what is wanted; a remembered result cuts everything above it. Nodes without a key enter
the plan the moment they get one. Nothing here recurses along links, calls a node, or knows a thread.
"""

from collections.abc import Iterable, Sequence
from os import urandom

from nodeflow.core.resolved import ResolvedGraph
from nodeflow.engine.board import DONE, IDLE, KEYLESS, LOST, PLANNED, Board, Outputs, Place, Planner
from nodeflow.engine.holds import Holds
from nodeflow.engine.identity import Identities
from nodeflow.engine.keys import KEY_BYTES
from nodeflow.engine.runtime import Services

_STILL_TO_COME = (IDLE, DONE)
"""A source in one of these states has to be wanted; one that is done has let its outputs go."""


class Plan:
    """Decides which nodes of a board run, and when.

    Attributes:
        ready: Nodes that can run on the device now; the last one is next, so that one branch is finished before
            another starts.
        elsewhere: Nodes that can run now and do not need the device.
        copies: Nodes that take the outputs of an equal node of the same run.
        planned: How many nodes were found to have to run so far.
        holds: What links bring is held against what inputs declare.
    """

    def __init__(self, graph: ResolvedGraph, planner: Planner, services: Services, keep_records: bool) -> None:
        self.board = Board(graph, planner)
        self.holds = Holds(self.board, services)
        self.identities = Identities(self.board, planner, self.holds, self.lose, keep_records)
        self.ready: list[int] = []
        self.elsewhere: list[int] = []
        self.copies: dict[int, int] = {}
        self.planned = 0
        self._planner = planner
        self._owners: dict[bytes, int] = {}
        self._demanded: set[int] = set()

    def wanted(self, graph: ResolvedGraph, targets: Sequence[Place] | None) -> list[Place]:
        """What a run for ``targets`` has to compute; see ``Engine.run``."""
        if targets is not None:
            return [*targets]
        board = self.board
        board.with_roots = True
        board.roots += [index for index, type in enumerate(board.types) if type.root]
        return [*graph.outputs.values(), *((index, "") for index in board.roots)] or _loose_ends(graph)

    def want(self, index: int) -> None:
        """Make sure that the outputs of a node will be there."""
        self.want_all([index])

    def want_all(self, indices: Iterable[int]) -> None:
        """Make sure that the outputs of several nodes will be there, planning for the first one first."""
        board = self.board
        states, types, keys = board.state, board.types, board.keys
        stack = [*indices]
        stack.reverse()
        while stack:
            current = stack.pop()
            type = types[current]
            state = states[current]
            if state == DONE and board.values[current] is None and not type.expands:
                state = states[current] = IDLE
            if state != IDLE:
                continue
            key = keys[current]
            if key is None:
                if not type.control:
                    states[current] = KEYLESS
                    stack += self._demand(current)
                    continue
            elif type.remembered and (self._have(current, key) or states[current] == LOST):
                continue
            self._plan(current, stack)

    def want_roots(self) -> None:
        """Want the effects that are still to be wanted, such as those that an expander has recorded."""
        roots, self.board.roots = self.board.roots, []
        self.want_all(roots)

    def deliver(self, index: int, outputs: Outputs) -> None:
        """A node has its outputs: hand them to what waits for them."""
        board = self.board
        board.values[index] = outputs
        board.state[index] = DONE
        waiting = board.consumers[index]
        if waiting:
            board.consumers[index] = None
            pending, types = board.pending, board.types
            for consumer in waiting:
                pending[consumer] -= 1
                if not pending[consumer]:
                    (self.ready if types[consumer].on_device else self.elsewhere).append(consumer)
        if board.watched and index in board.watched:
            self._planner.delivered(index)

    def release(self, index: int) -> None:
        """A node needs its inputs no longer."""
        board = self.board
        uses, values, types = board.uses, board.values, board.types
        for wire in board.eager(index):
            source = wire.source
            uses[source] -= 1
            if not uses[source] and types[source].cached:
                values[source] = None

    def settle(self, index: int, key: bytes) -> None:
        """A lazy node has run, so its key is known: plan what waited for it."""
        if self.identities.settle(index, key):
            self.propagate(index)

    def make_volatile(self, index: int) -> None:
        """What a node gave will not be the same again: neither it nor what is below may be remembered."""
        self.board.volatile.add(index)
        self.settle(index, urandom(KEY_BYTES))

    def propagate(self, index: int) -> None:
        """The key of ``index`` is known, or it has been expanded: go on with what waited for that."""
        states = self.board.state
        work = [index]
        while work:
            for follower in self.identities.take_followers(work.pop()):
                if states[follower] == LOST:
                    continue
                if self.identities.identify_or_fail(follower):
                    work.append(follower)
                    if states[follower] == KEYLESS:
                        states[follower] = IDLE
                        self.want(follower)
                elif follower in self._demanded:
                    self._demanded.remove(follower)  # what it waits for now may be another node than before
                    self.want_all([follower] if self._can_start(follower) else self._demand(follower))

    def lose(self, index: int) -> None:
        """A node will never have outputs, nor will what hangs below it."""
        board = self.board
        work = [index]
        while work:
            current = work.pop()
            if board.state[current] in (LOST, DONE):
                continue
            board.state[current] = LOST
            work += board.consumers[current] or ()
            work += self.identities.take_followers(current)
            if current in board.watched:
                self._planner.delivered(current)

    def _can_start(self, index: int) -> bool:
        return index in self.identities.bases or self.board.types[index].expands

    def _demand(self, index: int) -> list[int]:
        """The lazy and expanding nodes that must run before the key of ``index`` can be known."""
        board = self.board
        found: list[int] = []
        work = [index]
        while work:
            current = work.pop()
            if current in self._demanded:
                continue
            self._demanded.add(current)
            if board.types[current].control and self._can_start(current):
                found.append(current)
            else:
                work += (wire.source for wire in board.eager(current) if board.keys[wire.source] is None)
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
        board = self.board
        if board.state[owner] == LOST:
            self.lose(index)
            return True
        if board.state[owner] == DONE and board.values[owner] is None:
            self._owners[key] = index
            return False
        self._copy(index, owner)
        return True

    def _copy(self, index: int, owner: int) -> None:
        board = self.board
        self.copies[index] = owner
        board.state[index] = PLANNED
        board.uses[owner] += 1
        if board.state[owner] == DONE:
            self.make_ready(index)
        else:
            board.pending[index] = 1
            self._wait_for(owner, index)

    def _plan(self, index: int, stack: list[int]) -> None:
        board = self.board
        state, uses, values = board.state, board.uses, board.values
        state[index] = PLANNED
        self.planned += 1
        pending = 0
        wires = board.eager(index)
        if board.types[index].root:
            board.final.update(wire.source for wire in wires)
        for wire in wires:
            source = wire.source
            uses[source] += 1
            found = state[source]
            if found == DONE and values[source] is not None:
                continue
            if found == LOST:
                self.lose(index)
                return
            pending += 1
            self._wait_for(source, index)
            if found in _STILL_TO_COME:
                stack.append(source)
        board.pending[index] = pending
        if not pending:
            self.make_ready(index)

    def _wait_for(self, source: int, consumer: int) -> None:
        consumers = self.board.consumers
        waiting = consumers[source]
        if waiting is None:
            consumers[source] = [consumer]
        else:
            waiting.append(consumer)

    def make_ready(self, index: int) -> None:
        """All inputs of a node are there."""
        (self.ready if self.board.types[index].on_device else self.elsewhere).append(index)


def _loose_ends(graph: ResolvedGraph) -> list[Place]:
    taken = {(wire.source, wire.output) for node in graph.nodes for wire in node.wires}
    every = ((index, output.name) for index, node in enumerate(graph.nodes) for output in node.spec.outputs)
    return [place for place in every if place not in taken]
