"""Answering nodes that await their inputs, and remembering what they asked for."""

from collections.abc import Callable
from functools import partial

from nodeflow.core.blocked import Blocked
from nodeflow.core.errors import InputError
from nodeflow.core.resolved import Wire
from nodeflow.engine.awaiting import Promise, Unavailable
from nodeflow.engine.board import LOST, Place
from nodeflow.engine.cache import Entry
from nodeflow.engine.calls import NodeCall
from nodeflow.engine.keys import settled
from nodeflow.engine.lanes import Lanes
from nodeflow.engine.plan import Plan
from nodeflow.engine.runtime import Constant
from nodeflow.engine.tiers import Tiers


class LazyInputs:
    """The open questions of the lazy nodes of one run.

    Args:
        inbox: How a question gets from the event loop's thread to the run's.
    """

    def __init__(self, plan: Plan, tiers: Tiers, lanes: Lanes, inbox: Callable[[Callable[[], None]], None]) -> None:
        self._plan = plan
        self._holds = plan.holds
        self._tiers = tiers
        self._lanes = lanes
        self._inbox = inbox
        self._open: dict[int, list[tuple[NodeCall, Promise]]] = {}
        self._asked: dict[int, list[str]] = {}
        self._refused: set[int] = set()

    def promise(self, call: NodeCall) -> None:
        """Give ``call`` a promise for every input that it has no value for."""
        self._asked[call.index] = []
        for wire in self._plan.board.wires[call.index]:
            if wire.input not in call.arguments:
                call.arguments[wire.input] = Promise(wire.input, partial(self._ask, call))

    def answer(self, index: int) -> None:
        """A node has its outputs, has been expanded, or never will have any: tell those who wait."""
        for call, promise in self._open.pop(index, ()):
            self._answer(call, promise)

    def settle(self, call: NodeCall) -> None:
        """A lazy node has ended: its key is what it turned out to need, and that is remembered."""
        plan, index = self._plan, call.index
        state = plan.identities.bases.get(index)
        steps: list[tuple[bytes, str]] = []
        for name in self._asked[index]:
            if state is None:
                break
            steps.append((state, name))
            state = plan.identities.next_state(index, state, name)
        if state is None or index in self._refused or index in plan.board.volatile:
            plan.make_volatile(index)
            return
        for known, name in [*steps, (state, "")]:
            self._tiers.keep(known, Entry((name,), call.seconds, call.seconds, call.type.spec.id), call.seconds)
        plan.settle(index, settled(state))

    def _ask(self, call: NodeCall, promise: Promise) -> None:
        self._asked[call.index].append(promise.input)
        self._inbox(partial(self._answer, call, promise))

    def _answer(self, call: NodeCall, promise: Promise) -> None:
        """Hand an awaited value over, or make sure it will be there."""
        plan, board = self._plan, self._plan.board
        wire = next(wire for wire in board.wires[call.index] if wire.input == promise.input)
        place = board.resolve((wire.source, wire.output))
        if isinstance(place, Constant):
            self._hand_over(promise, self._held(call, wire, None, place.value))
            return
        index, output = place
        plan.want(index)
        outputs = board.values[index]
        if board.state[index] == LOST:
            self._refused.add(call.index)
            self._hand_over(promise, Unavailable("an awaited input failed"))
        elif outputs is not None:
            value = outputs[board.types[index].position[output]]
            self._hand_over(promise, self._held(call, wire, place, value))
        else:
            board.uses[index] += 1
            board.watched.add(index)
            self._open.setdefault(index, []).append((call, promise))

    def _held(self, call: NodeCall, wire: Wire, place: Place | None, value: object) -> object:
        """A value as its input has it, or the error that it does not take it."""
        hold = None if isinstance(value, Blocked) else self._holds.on(call.index, wire, place)
        try:
            return value if hold is None else self._holds.read(hold, value)
        except InputError as error:
            return error

    def _hand_over(self, promise: Promise, value: object) -> None:
        self._lanes.call_soon(partial(promise.settle, value))
