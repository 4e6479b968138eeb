"""One run: starts what is ready, takes in what has finished, and tells the listener."""

from asyncio import CancelledError
from collections.abc import Callable, Sequence
from functools import partial
from queue import Empty, SimpleQueue
from time import perf_counter
from typing import cast

from nodeflow.core.blocked import Blocked
from nodeflow.core.errors import Cancelled, NodeFailed, NodeflowError
from nodeflow.core.resolved import ResolvedGraph
from nodeflow.core.spec import Spec
from nodeflow.engine import keys as key_records
from nodeflow.engine.awaiting import BlockedInput, Promise, Unavailable
from nodeflow.engine.cache import Entry
from nodeflow.engine.calls import NodeCall, Room
from nodeflow.engine.events import NodeFailedEvent, NodeFinished, NodeStarted, RunFinished, RunStarted, Shown, Status
from nodeflow.engine.expansion import splice
from nodeflow.engine.failures import failure_of, let_go
from nodeflow.engine.lanes import Lanes
from nodeflow.engine.noderun import RunContext
from nodeflow.engine.nodetypes import NodeType
from nodeflow.engine.plan import DONE, LOST, PLANNED, Outputs, Place, Plan
from nodeflow.engine.results import RunResult
from nodeflow.engine.runtime import Constant
from nodeflow.engine.sizes import total_size
from nodeflow.engine.tiers import Tiers

Message = Callable[[], None]

_POLL_SECONDS = 0.05
_LARGEST = 5


class Execution:
    """One run of one graph; made, run once and thrown away. Only the thread that calls ``run`` changes its state."""

    def __init__(
        self, graph: ResolvedGraph, context: RunContext, tiers: Tiers, lanes: Lanes, stop_on_failure: bool
    ) -> None:
        self.graph = graph
        self.context = context
        self.tiers = tiers
        self.memory = tiers.memory
        self.lanes = lanes
        self.stop_on_failure = stop_on_failure
        self.status: dict[int, Status] = {}
        self.seconds: dict[int, float] = {}
        self.failures: list[NodeFailed] = []
        self.saved: dict[str, tuple[str, ...]] = {}
        self.shown: dict[str, tuple[object, ...]] = {}
        self.stopped = False
        self._inbox: SimpleQueue[Message] = SimpleQueue()
        self._environment = context.services.environment(context.device, context.dtype)
        self._types: dict[int, NodeType] = {}
        self._room = Room(self.memory, context.services, self._resident)
        self._above: dict[int, float] = {}
        self._early: list[NodeFinished] | None = []
        self._running: dict[int, Callable[[], None] | None] = {}
        self._claimed: set[bytes] = set()
        self._waiting: set[int] = set()
        self._locks: dict[int, Callable[[], None]] = {}
        self._contended: list[int] = []
        self._promises: dict[int, list[tuple[NodeCall, Promise]]] = {}
        self._hoped: dict[int, list[str]] = {}
        self._blocked = False
        self.plan = Plan(graph, self, keep_records=tiers.disk is not None)

    def run(self, targets: Sequence[tuple[int, str]] | None) -> RunResult:
        """Compute what is wanted; see ``Engine.run``."""
        started = perf_counter()
        wanted = self.plan.wanted(self.graph, targets)
        unsubscribe = self.context.cancel.subscribe(partial(self._inbox.put, _nothing))
        try:
            self._start_run(wanted)
            self._loop()
        except BaseException:
            self.context.cancel.request()
            raise
        finally:
            unsubscribe()
            self._abandon()
        self._finish_run()
        cancelled = self.stopped and self.context.cancel.requested
        self.context.emit(RunFinished(perf_counter() - started, len(self.failures), cancelled))
        return self._result(wanted, cancelled)

    # What the plan asks.

    def type_of(self, spec: Spec) -> NodeType:
        type = self._types.get(id(spec))
        if type is None:
            type = self._types[id(spec)] = NodeType(spec, self.context.services, self._environment)
        return type

    def recall(self, index: int, key: bytes) -> Outputs | None:
        found = self.tiers.recall(key)
        if found is None:
            return None
        entry, status = found
        self._above[index] = entry.total
        if entry.warnings or entry.shown:
            self._repeat(index, entry)
        if entry.warnings and self.context.strict:
            self.fail(index, NodeflowError(entry.warnings[0]))
            return None
        self._finished(index, status, 0.0)
        return entry.outputs

    def recall_choice(self, state: bytes) -> str | None:
        found = self.tiers.recall(state)
        return None if found is None else str(found[0].outputs[0])

    def expand(self, index: int) -> None:
        plan = self.plan
        started = perf_counter()
        self.context.emit(NodeStarted(plan.nodes[index].id))
        node, type = plan.nodes[index], plan.types[index]
        if node.depth:
            raise NodeflowError("an expander cannot be mapped over a list; give it one item")
        values = self._arguments(index)
        linked = [wire.input for wire in plan.wires[index] if wire.input not in values]
        splice(plan, index, self.context.services.expand(type.spec, values, linked))
        plan.release(index)
        self._finished(index, Status.RAN, perf_counter() - started)
        plan.propagate(index)
        for output in self._hoped.pop(index, ()):
            self._want((index, output))
        if self._early is None:  # before the start keys are still being given, and a root would be asked for too soon
            self._want_roots()
        self.delivered(index)

    def fail(self, index: int, error: BaseException) -> None:
        self._failed(index, failure_of(self.plan.nodes[index], error))
        let_go(error)

    def delivered(self, index: int) -> None:
        for call, promise in self._promises.pop(index, ()):
            self._answer(call, promise)

    # Beginning and end.

    def _start_run(self, wanted: Sequence[Place]) -> None:
        plan = self.plan
        plan.identify_all({index for index, _ in wanted})
        for place in wanted:
            self._want(place)
        self._want_roots()
        plan.ready.reverse()
        plan.elsewhere.reverse()
        early, self._early = self._early or [], None
        self.context.emit(RunStarted(plan.planned))
        for event in early:
            self.context.emit(event)

    def _want(self, place: Place) -> None:
        """Ask for an output that the caller of the run will be given."""
        found = self.plan.resolve(place)
        if isinstance(found, Constant):
            return
        index, output = found
        self.plan.uses[index] += 1
        if self.plan.types[index].expands and self.plan.state[index] != DONE:
            names = [output] if output else list(self.plan.types[index].position)
            self._hoped.setdefault(index, []).extend(names)
        self.plan.want(index)

    def _want_roots(self) -> None:
        roots = self.plan.roots
        while roots:
            self.plan.want(roots.pop(0))

    def _finish_run(self) -> None:
        disk = self.tiers.disk
        if disk is None:
            return
        records = self.plan.records
        if records and any(status is Status.RAN for status in self.status.values()):
            disk.record(records)
        for message in disk.warnings():
            self.context.warn("", message)

    def _abandon(self) -> None:
        """Leave nothing behind that others wait for, however the run ended."""
        self._cancel_awaiting()
        for key in self._claimed:
            self.memory.disclaim(key)
        for unlock in self._locks.values():
            unlock()

    def _result(self, wanted: Sequence[Place], cancelled: bool) -> RunResult:
        plan = self.plan
        values: dict[tuple[str, str], object] = {}
        for index, output in wanted:
            found = plan.resolve((index, output))
            name = plan.nodes[index].id, output
            if isinstance(found, Constant):
                values[name] = found.value
            elif output and (outputs := plan.values[found[0]]) is not None:
                values[name] = outputs[plan.types[found[0]].position[found[1]]]
        status = {node.id: self.status.get(index, Status.SKIPPED) for index, node in enumerate(plan.nodes)}
        seconds = {plan.nodes[index].id: spent for index, spent in self.seconds.items()}
        warnings = tuple(self.context.warnings)
        return RunResult(values, tuple(self.failures), warnings, self.saved, self.shown, status, seconds, cancelled)

    # The loop.

    def _loop(self) -> None:
        plan = self.plan
        ready, elsewhere, cancel = plan.ready, plan.elsewhere, self.context.cancel
        while True:
            while ready or elsewhere:
                if cancel.requested or self.stopped:
                    ready.clear()
                    elsewhere.clear()
                    break
                if elsewhere:
                    self._start(elsewhere.pop(), inline=not (ready or elsewhere or self._running))
                else:
                    self._start(ready.pop(), inline=True)
            if cancel.requested or self.stopped:
                self._stop()
            if not (self._running or self._waiting or self._contended):
                return
            self._take_in()

    def _take_in(self) -> None:
        """Wait for something to happen on another thread, and then for nothing more."""
        try:
            self._inbox.get(timeout=_POLL_SECONDS if self._contended else None)()
            while True:
                self._inbox.get_nowait()()
        except Empty:
            contended, self._contended = self._contended, []
            for index in contended:
                self._start(index, inline=True)

    def _stop(self) -> None:
        self.stopped = True
        self._waiting.clear()
        self._contended.clear()
        self._cancel_awaiting()

    def _cancel_awaiting(self) -> None:
        for cancel in self._running.values():
            if cancel is not None:
                cancel()

    # Starting nodes.

    def _start(self, index: int, inline: bool) -> None:
        plan = self.plan
        if plan.state[index] != PLANNED:
            return
        if plan.copies and index in plan.copies:
            self._copy(index, plan.copies.pop(index))
            return
        type = plan.types[index]
        if type.expands:
            self._expand_or_fail(index)
            return
        arguments = self._arguments(index)
        if self._blocked and self._is_blocked(index, arguments):
            return
        if type.cached and not self._may_compute(index):
            return
        node = plan.nodes[index]
        depths = {wire.input: wire.depth for wire in plan.wires[index] if wire.depth} if node.depth else None
        call = NodeCall(index, node, type, arguments, self.context, depths)
        self.context.emit(NodeStarted(node.id))
        if not type.sync:
            self._start_awaiting(call)
        elif type.on_device:
            self._call_on_device(call)
        elif inline:
            call.here(self._room)
            self._ended(call)
        else:
            self._running[index] = None
            self.lanes.cpu(partial(self._in_pool, call))

    def _arguments(self, index: int) -> dict[str, object]:
        plan = self.plan
        arguments = plan.types[index].arguments(plan.nodes[index])
        values, types = plan.values, plan.types
        for wire in plan.eager(index):
            source = wire.source
            outputs = values[source]
            assert outputs is not None
            arguments[wire.input] = outputs[types[source].position[wire.output]]
        return arguments

    def _may_compute(self, index: int) -> bool:
        """Take the right to compute a node; False when somebody else has it or has done it."""
        key = self.plan.keys[index]
        assert key is not None
        if not self.memory.claim(key):
            self._waiting.add(index)
            self.memory.wait(key, partial(self._inbox.put, partial(self._try_again, index)))
            return False
        self._claimed.add(key)
        if key in self.memory:
            return not self._have_after_all(index, key)
        if self.tiers.disk is not None and self.plan.types[index].worth_a_lock:
            return self._lock_out_others(index, key)
        return True

    def _have_after_all(self, index: int, key: bytes) -> bool:
        """Whether another run has computed a node while this one had it planned."""
        outputs = self.recall(index, key)
        if outputs is not None:
            self._give_back(index)
            self.plan.release(index)
            self._delivered(index, outputs)
        elif self.plan.state[index] == LOST:
            self._give_back(index)
        return self.plan.state[index] != PLANNED

    def _try_again(self, index: int) -> None:
        if index in self._waiting:
            self._waiting.discard(index)
            self._start(index, inline=False)

    def _lock_out_others(self, index: int, key: bytes) -> bool:
        """The same between processes, by a lock that the disk tier knows how to take."""
        disk = self.tiers.disk
        assert disk is not None
        unlock = disk.lock(key)
        if unlock is None:
            self._give_back(index)
            self._contended.append(index)
            return False
        self._locks[index] = unlock
        self.tiers.look_again(key)
        return not self._have_after_all(index, key)

    def _give_back(self, index: int) -> None:
        key = self.plan.keys[index]
        if key in self._claimed:
            self._claimed.discard(key)
            self.memory.disclaim(key)
        unlock = self._locks.pop(index, None)
        if unlock is not None:
            unlock()

    def _call_on_device(self, call: NodeCall) -> None:
        device = self.lanes.device
        while not device.acquire(timeout=_POLL_SECONDS):
            if self.context.cancel.requested:
                self._give_back(call.index)
                return
        try:
            call.here(self._room)
        finally:
            device.release()
        self._ended(call)

    def _in_pool(self, call: NodeCall) -> None:
        call.here(self._room)
        self._inbox.put(partial(self._ended, call))

    def _expand_or_fail(self, index: int) -> None:
        try:
            self.expand(index)
        except Exception as error:  # noqa: BLE001 - whatever an expander does wrong stops what is below it only
            self.fail(index, error)

    def _copy(self, index: int, owner: int) -> None:
        """Another node of this run has just made the same outputs."""
        plan = self.plan
        outputs = plan.values[owner]
        assert outputs is not None
        self._above[index] = self._above.get(owner, 0.0)
        plan.uses[owner] -= 1
        self._finished(index, Status.HIT_MEMORY, 0.0)
        self._delivered(index, outputs)

    # Awaiting nodes.

    def _start_awaiting(self, call: NodeCall) -> None:
        for wire in self.plan.wires[call.index]:
            if wire.input not in call.arguments:
                call.arguments[wire.input] = Promise(wire.input, partial(self._ask, call))
        ended = partial(self._inbox.put, partial(self._ended, call))
        self._running[call.index] = self.lanes.awaiting(call.awaited(self._room), ended)

    def _ask(self, call: NodeCall, promise: Promise) -> None:
        call.asked.append(promise.input)
        self._inbox.put(partial(self._answer, call, promise))

    def _answer(self, call: NodeCall, promise: Promise) -> None:
        """Hand an awaited value over, or make sure it will be there."""
        plan = self.plan
        wire = next(wire for wire in plan.wires[call.index] if wire.input == promise.input)
        place = plan.resolve((wire.source, wire.output))
        if isinstance(place, Constant):
            self._settle(promise, place.value)
            return
        index, output = place
        if self.stopped:
            return
        plan.want(index)
        outputs = plan.values[index]
        if plan.state[index] == LOST:
            call.refused = True
            self._settle(promise, Unavailable("an awaited input failed"))
        elif outputs is not None:
            self._settle(promise, outputs[plan.types[index].position[output]])
        else:
            plan.uses[index] += 1
            plan.watched.add(index)
            self._promises.setdefault(index, []).append((call, promise))

    def _settle(self, promise: Promise, value: object) -> None:
        self.lanes.call_soon(partial(promise.settle, value))

    # Taking in what has ended.

    def _ended(self, call: NodeCall) -> None:
        index = call.index
        self._running.pop(index, None)
        run = call.run
        if call.error is None and (call.outputs is None or (run is not None and run.stopped)):
            call.error = Cancelled("cancelled")
        if call.error is None:
            self._succeeded(call)
        else:
            self._give_back(index)
            self._went_wrong(call, call.error)

    def _succeeded(self, call: NodeCall) -> None:
        index, type, outputs, seconds = call.index, call.type, call.outputs, call.seconds
        assert outputs is not None
        plan = self.plan
        if type.lazy:
            self._settle_key(call)
        above = self._cost_above(index) + seconds
        self._above[index] = above
        key = plan.keys[index]
        if type.cached and key is not None:
            if index not in plan.volatile:
                self._keep(call, key, above)
            self._give_back(index)
        run = call.run
        if run is not None:
            self._note(index, call)
        self.seconds[index] = seconds
        plan.release(index)
        self._finished(index, Status.RAN, seconds)
        self._delivered(index, outputs)

    def _keep(self, call: NodeCall, key: bytes, above: float) -> None:
        run, outputs = call.run, call.outputs
        assert outputs is not None
        said = (tuple(run.warnings), tuple(run.shown)) if run is not None else ((), ())
        entry = Entry(outputs, call.seconds, above, call.type.spec.id, *said)
        self.tiers.keep(key, entry, above)
        self._above[call.index] = entry.total

    def _cost_above(self, index: int) -> float:
        above = self._above
        return max((above.get(wire.source, 0.0) for wire in self.plan.eager(index)), default=0.0)

    def _settle_key(self, call: NodeCall) -> None:
        """A lazy node has ended: its key is what it turned out to need, and that is remembered."""
        plan, index = self.plan, call.index
        state = plan.bases.get(index)
        steps: list[tuple[bytes, str]] = []
        for name in call.asked:
            if state is None:
                break
            steps.append((state, name))
            state = plan.next_state(index, state, name)
        if state is None or call.refused or index in plan.volatile:
            plan.make_volatile(index)
            return
        for known, name in [*steps, (state, "")]:
            self.tiers.keep(known, Entry((name,), call.seconds, 0.0, call.type.spec.id), call.seconds)
        plan.settle(index, key_records.settled(state))

    def _note(self, index: int, call: NodeCall) -> None:
        run, node = call.run, call.node.id
        assert run is not None
        if run.saved:
            self.saved[node] = tuple(run.saved)
        if run.shown:
            self.shown[node] = tuple(run.shown)

    def _repeat(self, index: int, entry: Entry) -> None:
        """A remembered result says and shows again what it said and showed when it was computed."""
        node = self.plan.nodes[index].id
        for message in entry.warnings:
            self.context.warn(node, message)
        if entry.shown:
            self.shown[node] = entry.shown
        for value in entry.shown:
            self.context.emit(Shown(node, value))

    def _finished(self, index: int, status: Status, seconds: float) -> None:
        self.status[index] = status
        event = NodeFinished(self.plan.nodes[index].id, status, seconds)
        if self._early is None:
            self.context.emit(event)
        else:
            self._early.append(event)

    def _delivered(self, index: int, outputs: Outputs) -> None:
        for value in outputs:
            kind = type(value)
            if kind is Blocked or (kind is list and _blocked_in(value)):
                self._blocked = True
        self.plan.deliver(index, outputs)

    # Going without.

    def _went_wrong(self, call: NodeCall, error: BaseException) -> None:
        index = call.index
        if isinstance(error, BlockedInput):
            self._block(index, error.blocked)
        elif isinstance(error, Unavailable) or (self._stopping and isinstance(error, _STOPS)):
            self.plan.lose(index)
        elif isinstance(error, NodeFailed):
            self._failed(index, error)
        else:
            self._failed(index, failure_of(call.node, error))
        let_go(error)

    @property
    def _stopping(self) -> bool:
        return self.stopped or self.context.cancel.requested

    def _failed(self, index: int, failure: NodeFailed) -> None:
        self.failures.append(failure)
        self.status[index] = Status.FAILED
        self.context.emit(NodeFailedEvent(failure.node, failure.message, failure.traceback))
        self.plan.lose(index)
        if self.stop_on_failure:
            self.stopped = True

    def _is_blocked(self, index: int, arguments: dict[str, object]) -> bool:
        if self.plan.nodes[index].depth:
            return False
        for value in arguments.values():
            blocked = _blocked_in(value)
            if blocked is not None:
                self._block(index, blocked)
                return True
        return False

    def _block(self, index: int, blocked: Blocked) -> None:
        """A node does not run because of what it was given, and hands that on."""
        if self.plan.types[index].lazy:
            self.plan.make_volatile(index)
        self.plan.release(index)
        self._finished(index, Status.SKIPPED, 0.0)
        self._delivered(index, (blocked,) * len(self.plan.nodes[index].spec.outputs))

    def _resident(self) -> list[tuple[str, int]]:
        held = [
            (f"{self.plan.nodes[index].id} ({self.plan.nodes[index].spec.id})", total_size(outputs))
            for index, outputs in enumerate(self.plan.values)
            if outputs
        ]
        return sorted(held, key=lambda item: item[1], reverse=True)[:_LARGEST]


_STOPS = (Cancelled, CancelledError)


def _nothing() -> None:
    """Only wakes the loop up."""


def _blocked_in(value: object) -> Blocked | None:
    if isinstance(value, Blocked):
        return value
    if isinstance(value, list):
        return next((item for item in cast("list[object]", value) if isinstance(item, Blocked)), None)
    return None
