"""Calling the function of a node, awaited or not, and once more after memory ran out."""

from collections.abc import Awaitable, Callable
from time import perf_counter
from typing import cast

from nodeflow.core.errors import NodeflowError, Retry
from nodeflow.core.resolved import ResolvedNode
from nodeflow.engine.handing import Given, Handing
from nodeflow.engine.mapping import Arguments, Outputs
from nodeflow.engine.noderun import NodeLog, NodeRun, RunContext
from nodeflow.engine.nodetypes import NodeType
from nodeflow.engine.patience import patiently, pause
from nodeflow.engine.room import Room


class NodeCall:
    """One node with its arguments, ready to be called on whatever thread it belongs to.

    Args:
        given: Holds what links bring against what the inputs declare; None where that is not needed.

    Attributes:
        log: What the node said by its ``run``; made when it takes one or is mapped.
        seconds: What the call took, waiting between two tries left out where it held no thread.
        outputs: Set when it went well.
        error: Set when it did not.
        pause: Seconds after which a synchronous node wants to be called again; None when it has ended.
    """

    __slots__ = (
        "_context",
        "_handing",
        "_run",
        "_tries",
        "arguments",
        "error",
        "index",
        "log",
        "node",
        "outputs",
        "pause",
        "seconds",
        "type",
    )

    mapped = False

    def __init__(
        self,
        index: int,
        node: ResolvedNode,
        type: NodeType,
        arguments: Arguments,
        context: RunContext,
        given: Given | None,
    ) -> None:
        self.index = index
        self.node = node
        self.type = type
        self.arguments = arguments
        self.outputs: Outputs | None = None
        self.error: BaseException | None = None
        self.pause: float | None = None
        self.seconds = 0.0
        self.log: NodeLog | None = None
        self._context = context
        self._run: NodeRun | None = None
        self._tries = 0
        if self.mapped or type.spec.takes_run:
            self.log = NodeLog(context, node.id, self.mapped)
            self._run = NodeRun(context, node.id, type.spec, self.log)
        if type.spec.takes_run:
            arguments["run"] = self._run
        self._handing = None
        if given is not None or Handing.needed(node, type, context):
            self._handing = Handing(node, type, context, given)

    def held_back(self) -> str:
        """Why calls for some items were not made; mostly all are."""
        return ""

    def here(self, room: Room) -> None:
        """Call a synchronous node on this thread; only KeyboardInterrupt gets out."""
        started = perf_counter()
        self.pause = None
        self._attempt()
        if self.error is not None and room.ran_out(self.error):
            if self._may_retry():
                error, self.error = self.error, None
                room.make(error)
                self._attempt()
            self._explain(room)
        self.seconds += perf_counter() - started

    async def awaited(self, room: Room) -> None:
        """Await an asynchronous node on this thread's event loop; nothing gets out."""
        started = perf_counter()
        await self._attempt_async()
        if self.error is not None and room.ran_out(self.error):
            if self._may_retry():
                error, self.error = self.error, None
                room.make(error)
                await self._attempt_async()
            self._explain(room)
        self.seconds = perf_counter() - started

    def _explain(self, room: Room) -> None:
        if self.error is not None:
            self.error = room.explained(self.node, self.error)

    def _may_retry(self) -> bool:
        """Not when a file was written: it would be written twice."""
        return self.log is None or not self.log.saved

    def _attempt(self) -> None:
        try:
            self.outputs = self._compute()
            if not self.type.plain:
                self.type.check_files(self.node)
        except KeyboardInterrupt:
            raise
        except Retry as error:
            self._put_off(error)
        except BaseException as error:  # noqa: BLE001 - whatever a node raises, exiting included, is its failure
            self.error = error

    async def _attempt_async(self) -> None:
        try:
            self.outputs = await self._compute_async()
            if not self.type.plain:
                self.type.check_files(self.node)
        except BaseException as error:  # noqa: BLE001 - cancellation included; the run decides what it means
            self.error = error

    def _put_off(self, error: Retry) -> None:
        self._tries += 1
        try:
            self.pause = pause(self._context, self.node.id, error, self._tries)
        except NodeflowError as failure:
            self.error = failure

    def _compute(self) -> Outputs:
        return self._called(self.arguments)

    async def _compute_async(self) -> Outputs:
        return await self._called_async(self.arguments)

    def _called(self, arguments: Arguments) -> Outputs:
        type, handing = self.type, self._handing
        return type.outputs(type.function(**arguments) if handing is None else handing.call(arguments))

    async def _called_async(self, arguments: Arguments) -> Outputs:
        handing = self._handing

        def call() -> Awaitable[object]:
            if handing is not None:
                return handing.awaited(arguments)
            return cast("Callable[..., Awaitable[object]]", self.type.function)(**arguments)

        return self.type.outputs(await patiently(self._context, self.node.id, call))
