"""Calling a node once per item of the lists that it is given where it takes single values."""

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, cast

from nodeflow.core.blocked import Blocked
from nodeflow.core.node import Later
from nodeflow.core.resolved import ResolvedNode
from nodeflow.engine.blocking import blocked_in, first_blocked, of_items
from nodeflow.engine.calls import NodeCall
from nodeflow.engine.handing import Given
from nodeflow.engine.mapping import Arguments, Call, Calls, Outputs, spread
from nodeflow.engine.noderun import Item, NodeRun, RunContext
from nodeflow.engine.nodetypes import NodeType


class ItemCalls(NodeCall):
    """The calls of a mapped node; an item that is done is not called again when another has to be.

    Args:
        depths: For every input fed by a list, over how many levels it is spread.
    """

    __slots__ = ("_calls", "_complained", "_depths", "_held", "_results", "_spread")

    mapped = True

    def __init__(
        self,
        index: int,
        node: ResolvedNode,
        type: NodeType,
        arguments: Arguments,
        context: RunContext,
        given: Given | None,
        depths: dict[str, int],
    ) -> None:
        super().__init__(index, node, type, arguments, context, given)
        self._depths = depths
        self._spread: Calls | None = None
        self._calls: list[Call] = []
        self._results: list[Outputs | None] = []
        self._held: list[Blocked] = []
        self._complained = False

    def recall(self, find: Callable[[Item], Outputs | None]) -> None:
        """Take over what is remembered of single items."""
        self._divide()
        self._results = [find(call.path) for call in self._calls]

    def answers(self) -> Mapping[Item, Outputs]:
        """What was given for the items that are done; those that were held back left out."""
        done = zip(self._calls, self._results, strict=True)
        return {call.path: result for call, result in done if result is not None and not first_blocked(result)}

    def held_back(self) -> str:
        return of_items(self._held, len(self._calls)) if self._held else ""

    def _compute(self) -> Outputs:
        whole = self._begin()
        for place in self._left():
            call = self._calls[place]
            blocked = self._enter(call)
            self._results[place] = self._called(call.arguments) if blocked is None else blocked
            self._tries = 0
        return whole.fold(cast("list[Outputs]", self._results), len(self.type.spec.outputs))

    async def _compute_async(self) -> Outputs:
        whole = self._begin()
        left = iter(self._left())

        async def work() -> None:
            for place in left:
                call = self._calls[place]
                blocked = self._enter(call)
                self._results[place] = await self._called_async(call.arguments) if blocked is None else blocked

        await _together(work, min(self.type.spec.concurrency, len(self._results)))
        return whole.fold(cast("list[Outputs]", self._results), len(self.type.spec.outputs))

    def _begin(self) -> Calls:
        divided = self._divide()
        if divided.uneven and not self._complained:
            self._complained = True
            cast(NodeRun, self._run).warn(divided.complaint)
        return divided

    def _divide(self) -> Calls:
        if self._spread is None:
            self._spread = spread(self.arguments, self._depths, self.node.depth)
            self._calls = list(self._spread)
            self._results = [None] * len(self._calls)
        return self._spread

    def _left(self) -> list[int]:
        """Places of the items that are still to be done."""
        return [place for place, result in enumerate(self._results) if result is None]

    def _enter(self, call: Call) -> Outputs | None:
        """Prepare the call for one item; its outputs when the item is blocked."""
        if self.type.spec.takes_run:
            call.arguments["run"] = cast(NodeRun, self._run).of(call.path)
        for name, value in call.arguments.items():
            if name in self._depths and (blocked := blocked_in(value)):
                self._held.append(blocked)
                return (blocked,) * len(self.type.spec.outputs)
            if name in self.type.lazy and self._depths.get(name):
                call.arguments[name] = Later(value)
        return None


async def _together(work: Callable[[], Coroutine[Any, Any, None]], count: int) -> None:
    """Do ``work`` in ``count`` tasks at once; the first that fails stops the others and is what is raised."""
    if count < 2:
        await work()
        return
    failed: list[BaseException] = []

    async def guarded() -> None:
        try:
            await work()
        except BaseException as error:  # noqa: BLE001 - raised again below, where the loop is not torn down by it
            failed.append(error)
            for task in tasks:
                task.cancel()

    tasks = [asyncio.ensure_future(guarded()) for _ in range(count)]
    await asyncio.gather(*tasks, return_exceptions=True)
    if failed:
        raise failed[0]
