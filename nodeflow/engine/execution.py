"""One run: starts what is ready, takes in what has ended, and hands on what came out."""

from asyncio import CancelledError
from collections.abc import Sequence
from functools import partial
from queue import SimpleQueue
from time import perf_counter
from typing import cast

from nodeflow.core.blocked import Blocked
from nodeflow.core.errors import Cancelled, NodeflowError, OutOfMemory
from nodeflow.core.resolved import ResolvedGraph
from nodeflow.core.spec import Spec
from nodeflow.engine.awaiting import BlockedInput, Unavailable
from nodeflow.engine.blocking import reason_of
from nodeflow.engine.board import DONE, PLANNED, Outputs, Place
from nodeflow.engine.calls import NodeCall
from nodeflow.engine.events import NodeStarted, RunStarted, Status
from nodeflow.engine.failures import EndlessExpansion, InputChanged, failure_of, let_go
from nodeflow.engine.holding import Holding
from nodeflow.engine.itemcalls import ItemCalls
from nodeflow.engine.keeping import Keeper
from nodeflow.engine.lanes import Lanes
from nodeflow.engine.lazyinputs import LazyInputs
from nodeflow.engine.ledger import Ledger
from nodeflow.engine.noderun import RunContext
from nodeflow.engine.nodetypes import NodeType
from nodeflow.engine.outside import Outside
from nodeflow.engine.plan import Plan
from nodeflow.engine.recording import Recording
from nodeflow.engine.results import RunResult
from nodeflow.engine.rights import Rights
from nodeflow.engine.room import Room
from nodeflow.engine.runtime import Constant
from nodeflow.engine.tiers import Tiers
from nodeflow.engine.underway import POLL_SECONDS, Inbox, Underway

_QUICK_SECONDS = 0.05
"""A type whose last call was over sooner is not worth a lock between processes."""

_LARGEST = 5
_STOPS = (Cancelled, CancelledError)


class Execution:
    """One run of one graph; made, run once and thrown away.

    Only the thread that calls ``run`` changes anything here. Other threads put what they have to say into its inbox.
    """

    def __init__(
        self,
        graph: ResolvedGraph,
        context: RunContext,
        tiers: Tiers,
        outside: Outside,
        lanes: Lanes,
        stop_on_failure: bool,
    ) -> None:
        self._graph = graph
        self._context = context
        self._tiers = tiers
        self._outside = outside
        self._stop_on_failure = stop_on_failure
        self._stopped = False
        self._types: dict[int, NodeType] = {}
        self._environment = context.services.environment(context.device, context.dtype)
        self._inbox: Inbox = SimpleQueue()
        self._hoped: dict[int, list[str]] = {}
        self._plan = Plan(graph, self, context.services, keep_records=tiers.disk is not None)
        self._board = self._plan.board
        self._ledger = Ledger(context, self._board)
        self._holding = Holding(self._board)
        self._recording = Recording(self._plan, context, self._holding)
        self._keeper = Keeper(self._board, tiers, outside)
        self._lazy = LazyInputs(self._plan, tiers, lanes, self._inbox.put)
        self._rights = Rights(self._plan, tiers, self._inbox.put, self._have_by_now)
        room = Room(tiers.memory, context.services, partial(self._board.largest, _LARGEST))
        self._underway = Underway(self._inbox, lanes, room, context.cancel, self._lazy.promise, self._ended)

    def run(self, targets: Sequence[Place] | None) -> RunResult:
        """Compute what is wanted; see ``Engine.run``."""
        wanted = self._plan.wanted(self._graph, targets)
        unsubscribe = self._context.cancel.subscribe(partial(self._inbox.put, _nothing))
        try:
            self._start_run(wanted)
            self._loop()
        except BaseException:
            self._context.cancel.request()
            raise
        finally:
            unsubscribe()
            self._leave_nothing_behind()
        self._record()
        return self._ledger.finish(wanted, self._stopped and self._context.cancel.requested, self._holding.some)

    # What the plan asks.

    def type_of(self, spec: Spec) -> NodeType:
        type = self._types.get(id(spec))
        if type is None:
            type = self._types[id(spec)] = NodeType(spec, self._context.services, self._environment)
        return type

    def recall(self, index: int, key: bytes) -> Outputs | None:
        found = self._tiers.recall(key)
        if found is None:
            return None
        entry, status = found
        id, reason = self._board.nodes[index].id, ""
        if entry.warnings or entry.shown:
            self._ledger.repeat(id, entry)
            if entry.warnings and self._context.strict:
                self.fail(index, NodeflowError(entry.warnings[0]))
                return None
        if entry.blocked:
            self._holding.some = True
            reason = self._holding.told(entry.outputs)
        self._board.totals[index], self._board.costs[index] = entry.total, entry.cost
        self._ledger.ended(index, id, status, 0.0, reason)
        return entry.outputs

    def recall_choice(self, state: bytes) -> str | None:
        found = self._tiers.recall(state)
        return None if found is None else str(found[0].outputs[0])

    def outside_key(self, index: int, base: bytes) -> bytes:
        return self._outside.key(self._board, index, base)

    def expand(self, index: int) -> None:
        if self._stopping:  # what is recorded may be expanded at once, and what that records, long before the loop
            self._plan.lose(index)
            return
        node = self._board.nodes[index]
        started = perf_counter()
        self._context.emit(NodeStarted(node.id))
        values = self._arguments(index)
        if blocked := self._holding.back(index, values):
            self._block(index, blocked)
            return
        self._recording.record(index, values)
        self._ledger.ended(index, node.id, Status.RAN, perf_counter() - started)
        self._plan.propagate(index)
        self._want_all([(index, output) for output in self._hoped.pop(index, ())])
        if self._context.held is None:  # while keys are still being given, a root would be wanted too soon
            self._plan.want_roots()
        self._lazy.answer(index)
        self._plan.release(index)  # now that what was recorded may have asked for the same values

    def fail(self, index: int, error: BaseException) -> None:
        node, vault = self._board.nodes[index], self._context.vault
        failure = error if isinstance(error, OutOfMemory) else failure_of(node, error, vault)
        let_go(error)
        self._ledger.failed(index, failure)
        self._plan.lose(index)
        if isinstance(error, InputChanged):
            self._tiers.memory.clear()  # what was changed may be anything that is kept
        if self._stop_on_failure or isinstance(error, (InputChanged, EndlessExpansion)):
            self._stopped = True

    def delivered(self, index: int) -> None:
        self._lazy.answer(index)

    # Beginning and end.

    def _start_run(self, wanted: Sequence[Place]) -> None:
        plan = self._plan
        plan.identities.identify_all({index for index, _ in wanted})
        self._want_all(wanted)
        plan.want_roots()
        plan.ready.reverse()
        plan.elsewhere.reverse()
        # What planning found out is told after the start, so that a listener knows first how much is to come.
        self._context.start(RunStarted(plan.planned))

    def _want_all(self, places: Sequence[Place]) -> None:
        """Ask for outputs that the caller of the run will be given."""
        board = self._board
        indices: list[int] = []
        for place in places:
            found = board.resolve(place) if board.aliases else place
            if isinstance(found, Constant):
                continue
            index, output = found
            board.uses[index] += 1
            board.final.add(index)
            indices.append(index)
            type = board.types[index]
            if type.expands and board.state[index] != DONE:
                self._hoped.setdefault(index, []).extend([output] if output else type.position)
        self._plan.want_all(indices)

    def _record(self) -> None:
        disk, records = self._tiers.disk, self._plan.identities.records
        if disk is None:
            return
        if records and self._keeper.some:
            disk.record(records)
        for message in (*self._tiers.complaints, *disk.warnings()):
            self._context.warn("", message)

    def _leave_nothing_behind(self) -> None:
        """Free what others may wait for, however the run ended."""
        self._underway.stop()
        for index in self._underway.running:
            self._rights.give_back(index)

    # The loop.

    def _loop(self) -> None:
        ready, elsewhere, cancel = self._plan.ready, self._plan.elsewhere, self._context.cancel
        underway, rights = self._underway, self._rights
        alone = self._context.guard is not None  # whoever changes something must be the only one at work
        while True:
            while ready or elsewhere:
                if cancel.requested or self._stopped:
                    break
                if elsewhere:
                    self._start(elsewhere.pop(), inline=alone or not (ready or elsewhere or underway.running))
                else:
                    self._start(ready.pop(), inline=True)
            if cancel.requested or self._stopped:
                self._stop()
            if not (underway.running or rights.put_off):
                return
            underway.wait(POLL_SECONDS if rights.contended else None)
            rights.retry_contended()

    def _stop(self) -> None:
        self._stopped = True
        self._plan.ready.clear()
        self._plan.elsewhere.clear()
        self._rights.forget()
        self._underway.stop()

    # Starting nodes.

    def _start(self, index: int, inline: bool) -> None:
        board, copies = self._board, self._plan.copies
        if copies and index in copies:
            self._copy(index, copies.pop(index))
            return
        type = board.types[index]
        if type.expands:
            self._expand_or_fail(index)
            return
        arguments = self._arguments(index)
        node = board.nodes[index]
        if self._holding.some and (blocked := self._holding.back(index, arguments)):
            self._block(index, blocked)
            return
        if type.cached and not self._rights.take(index, type):
            return
        context, given = self._context, self._plan.holds.given(index) if type.watchful else None
        if not node.depth:
            call = NodeCall(index, node, type, arguments, context, given)
        else:
            call = ItemCalls(index, node, type, arguments, context, given, board.depths(index))
            if type.external and type.remembered:
                call.recall(partial(self._outside.item, cast(bytes, board.keys[index])))
        context.emit(NodeStarted(node.id))
        self._underway.start(call, inline)

    def _arguments(self, index: int) -> dict[str, object]:
        board = self._board
        node, type = board.nodes[index], board.types[index]
        arguments: dict[str, object] = dict(node.literals) if type.literal else type.arguments(node)
        values, types = board.values, board.types
        for wire in board.eager(index):
            source = wire.source
            outputs = values[source]
            assert outputs is not None
            arguments[wire.input] = outputs[types[source].position[wire.output]]
        return arguments

    def _have_by_now(self, index: int, key: bytes) -> bool:
        """Whether another run has computed a node since this one planned it, or the node has failed for good."""
        outputs = self.recall(index, key)
        if outputs is not None:
            self._plan.release(index)
            self._plan.deliver(index, outputs)
        return self._board.state[index] != PLANNED

    def _expand_or_fail(self, index: int) -> None:
        try:
            self.expand(index)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - what an expander does wrong stops what is below only
            self.fail(index, error)

    def _copy(self, index: int, owner: int) -> None:
        """Another node of this run has made the same outputs."""
        board = self._board
        board.totals[index], board.costs[index] = board.totals[owner], board.costs[owner]
        board.uses[owner] -= 1
        status = Status.SKIPPED if board.status[owner] is Status.SKIPPED else Status.HIT_MEMORY
        outputs = cast(Outputs, board.values[owner])
        self._ledger.ended(index, board.nodes[index].id, status, 0.0, self._holding.told(outputs))
        self._plan.deliver(index, outputs)

    # Taking in what has ended.

    def _ended(self, call: NodeCall) -> None:
        log = call.log
        if log is not None:
            log.finish()
        if call.error is None and (call.outputs is None or (log is not None and log.stopped)):
            call.error = Cancelled("cancelled")
        if call.error is None:
            self._succeeded(call)
        else:
            self._rights.give_back(call.index)
            if call.type.external and isinstance(call, ItemCalls):
                self._keeper.keep_items(call)
            self._went_wrong(call.index, call.error)

    def _succeeded(self, call: NodeCall) -> None:
        index, type, outputs, seconds, log = call.index, call.type, call.outputs, call.seconds, call.log
        assert outputs is not None
        type.quick = seconds < _QUICK_SECONDS
        if type.lazy:
            self._lazy.settle(call)
        if self._tiers.disk is not None:
            self._board.add_up(index, seconds)
        if type.remembered:
            self._keeper.keep(call, outputs)
        self._plan.release(index)
        if log is not None:
            self._ledger.note(call.node.id, log)
        self._ledger.ended(index, call.node.id, Status.RAN, seconds, self._holding.found(call, outputs))
        self._plan.deliver(index, outputs)

    # Going without.

    def _went_wrong(self, index: int, error: BaseException) -> None:
        if isinstance(error, BlockedInput):
            self._block(index, error.blocked)
            let_go(error)
        elif isinstance(error, Unavailable) or (self._stopping and isinstance(error, _STOPS)):
            self._plan.lose(index)
            let_go(error)
        else:
            self.fail(index, error)

    @property
    def _stopping(self) -> bool:
        return self._stopped or self._context.cancel.requested

    def _block(self, index: int, blocked: Blocked) -> None:
        """A node does not run because of what it is given, and hands that on."""
        node = self._board.nodes[index]
        if self._board.types[index].control:
            self._plan.make_volatile(index)
        self._plan.release(index)
        self._ledger.ended(index, node.id, Status.SKIPPED, 0.0, reason_of(blocked))
        self._plan.deliver(index, (blocked,) * len(node.spec.outputs))


def _nothing() -> None:
    """Only wakes the loop up."""
