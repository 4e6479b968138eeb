"""Calling the function of a node: mapped over lists or not, awaited or not, and once more after memory ran out."""

from collections.abc import Awaitable, Callable
from time import perf_counter
from typing import cast

from nodeflow.core.blocked import Blocked
from nodeflow.core.node import Later
from nodeflow.core.resolved import ResolvedNode
from nodeflow.engine.cache import MemoryCache
from nodeflow.engine.failures import let_go, out_of_memory
from nodeflow.engine.inside import put_inside
from nodeflow.engine.mapping import Arguments, Call, Calls, Outputs, spread
from nodeflow.engine.noderun import NodeRun, RunContext
from nodeflow.engine.nodetypes import NodeType
from nodeflow.engine.runtime import Services


class NodeCall:
    """One node with its arguments, ready to be called on whatever thread it belongs to.

    Attributes:
        run: What the node was handed as ``run``; made when it takes one or is mapped.
        seconds: What the call took.
        outputs: Set when it went well.
        error: Set when it did not.
    """

    __slots__ = (
        "_depths",
        "arguments",
        "error",
        "index",
        "node",
        "outputs",
        "run",
        "seconds",
        "type",
    )

    def __init__(
        self,
        index: int,
        node: ResolvedNode,
        type: NodeType,
        arguments: Arguments,
        context: RunContext,
        depths: dict[str, int] | None,
    ) -> None:
        self.index = index
        self.node = node
        self.type = type
        self.arguments = arguments
        self.outputs: Outputs | None = None
        self.error: BaseException | None = None
        self.seconds = 0.0
        self.run: NodeRun | None = None
        self._depths = depths
        if depths is not None or type.spec.takes_run:
            self.run = NodeRun(context, node.id, type.spec.kind)
        if type.spec.takes_run:
            arguments["run"] = self.run

    def here(self, room: "Room") -> None:
        """Call a synchronous node on this thread; only KeyboardInterrupt gets out."""
        started = perf_counter()
        self._attempt()
        if self.error is not None and room.ran_out(self.error):
            if self._may_retry():
                room.make(self)
                self._attempt()
            room.explain(self)
        self.seconds = perf_counter() - started

    async def awaited(self, room: "Room") -> None:
        """Await an asynchronous node on this thread's event loop; nothing gets out."""
        started = perf_counter()
        await self._attempt_async()
        if self.error is not None and room.ran_out(self.error):
            if self._may_retry():
                room.make(self)
                await self._attempt_async()
            room.explain(self)
        self.seconds = perf_counter() - started

    def _may_retry(self) -> bool:
        """Not when a file was written: it would be written twice."""
        return self.run is None or not self.run.saved

    def _attempt(self) -> None:
        try:
            if self._depths is None:
                arguments = self.arguments if self.node.nested is None else self._handed(self.arguments)
                self.outputs = self.type.outputs(self.type.function(**arguments))
            else:
                depths = self._depths
                calls = self._calls(depths)
                self.outputs = calls.fold([self._one(call, depths) for call in calls], len(self.type.spec.outputs))
            if not self.type.plain:
                self.type.check_files(self.node)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # noqa: BLE001 - whatever a node raises, exiting included, is its failure
            self.error = error

    async def _attempt_async(self) -> None:
        try:
            if self._depths is None:
                self.outputs = self.type.outputs(await _call_async(self.type, self._handed(self.arguments)))
            else:
                depths = self._depths
                calls = self._calls(depths)
                results = [await self._one_async(call, depths) for call in calls]
                self.outputs = calls.fold(results, len(self.type.spec.outputs))
            if not self.type.plain:
                self.type.check_files(self.node)
        except BaseException as error:  # noqa: BLE001 - cancellation included; the run decides what it means
            self.error = error

    def _calls(self, depths: dict[str, int]) -> Calls:
        calls = spread(self.arguments, depths, self.node.depth)
        if calls.uneven:
            cast(NodeRun, self.run).warn(f"lists of different lengths: {', '.join(calls.uneven)} repeats its last item")
        return calls

    def _one(self, call: Call, depths: dict[str, int]) -> Outputs:
        blocked = self._enter(call, depths)
        return blocked or self.type.outputs(self.type.function(**self._handed(call.arguments)))

    async def _one_async(self, call: Call, depths: dict[str, int]) -> Outputs:
        blocked = self._enter(call, depths)
        return blocked or self.type.outputs(await _call_async(self.type, self._handed(call.arguments)))

    def _handed(self, arguments: Arguments) -> Arguments:
        """``arguments`` as the function gets them."""
        return put_inside(arguments, self.node.nested) if self.node.nested else arguments

    def _enter(self, call: Call, depths: dict[str, int]) -> Outputs | None:
        """Prepare one call of a mapped node; its outputs when an item is blocked."""
        cast(NodeRun, self.run).path = call.path
        for name, value in call.arguments.items():
            if isinstance(value, Blocked):
                return (value,) * len(self.type.spec.outputs)
            if name in self.type.lazy and depths.get(name):
                call.arguments[name] = Later(value)
        return None


class Room:
    """What can be done when memory runs out.

    Attributes:
        resident: Names the results that cannot be dropped, with their bytes, largest first.
    """

    def __init__(self, memory: MemoryCache, services: Services, resident: Callable[[], list[tuple[str, int]]]) -> None:
        self._memory = memory
        self._services = services
        self._resident = resident
        self._dropped = 0

    def ran_out(self, error: BaseException) -> bool:
        """Whether ``error`` means that there was not enough memory."""
        return self._services.is_out_of_memory(error)

    def make(self, call: NodeCall) -> None:
        """Drop what can be dropped, the failed call's own values first, so that it can be tried again."""
        let_go(cast(BaseException, call.error))
        call.error = None
        self._dropped = self._memory.clear()
        self._services.release_memory()

    def explain(self, call: NodeCall) -> None:
        """Turn the error of an allocator into one that says what was asked for and what was resident."""
        error = call.error
        if error is not None and self.ran_out(error):
            let_go(error)
            call.error = out_of_memory(call.node, str(error), self._resident(), self._dropped)


async def _call_async(type: NodeType, arguments: Arguments) -> object:
    return await cast("Callable[..., Awaitable[object]]", type.function)(**arguments)
