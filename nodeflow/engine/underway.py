"""The calls of one run that are under way: on this thread, in the pool, on the event loop, or put off for a while."""

from collections.abc import Callable, Iterator
from functools import partial
from heapq import heappop, heappush
from queue import Empty, SimpleQueue
from time import monotonic
from typing import TypeAlias

from nodeflow.core.errors import Cancelled
from nodeflow.engine.calls import NodeCall
from nodeflow.engine.lanes import Lanes
from nodeflow.engine.room import Room
from nodeflow.engine.runtime import Cancel

POLL_SECONDS = 0.05

Inbox: TypeAlias = "SimpleQueue[Callable[[], None]]"
"""What other threads have to say to the thread of a run, to be called there."""


class Underway:
    """Starts calls where they belong, and hears of their end.

    Args:
        promise: Prepares a call whose inputs are awaited.
        ended: Takes in a call that has ended, on the thread of the run.

    Attributes:
        running: Index of each node under way to how it is cancelled, where it can be.
    """

    def __init__(
        self,
        inbox: Inbox,
        lanes: Lanes,
        room: Room,
        cancel: Cancel,
        promise: Callable[[NodeCall], None],
        ended: Callable[[NodeCall], None],
    ) -> None:
        self.running: dict[int, Callable[[], None] | None] = {}
        self._inbox = inbox
        self._lanes = lanes
        self._room = room
        self._cancel = cancel
        self._promise = promise
        self._ended = ended
        self._paused: list[tuple[float, int, NodeCall]] = []

    def start(self, call: NodeCall, inline: bool) -> None:
        """Make a call; ``inline`` is where this thread has nothing else to do."""
        type = call.type
        if type.on_device:
            self._on_device(call)
        elif not type.sync:
            if type.lazy:
                self._promise(call)
            ended = partial(self._inbox.put, partial(self._finished, call))
            self.running[call.index] = self._lanes.awaiting(call.awaited(self._room), ended)
        elif inline:
            self._here(call)
        else:
            self.running[call.index] = None
            self._lanes.cpu(partial(self._in_pool, call))

    def wait(self, poll: float | None) -> None:
        """Wait until something happens, for ``poll`` seconds at most, and take in all that has happened."""
        if self._paused:
            soon = max(self._paused[0][0] - monotonic(), 0.0)
            poll = soon if poll is None else min(poll, soon)
        try:
            self._inbox.get(timeout=poll)()
            while True:
                self._inbox.get_nowait()()
        except Empty:
            pass
        for call in self._due():
            self.start(call, inline=False)

    def stop(self) -> None:
        """Cancel what can be cancelled."""
        for cancel in self.running.values():
            if cancel is not None:
                cancel()

    def _on_device(self, call: NodeCall) -> None:
        device = self._lanes.device
        while not (device.acquire(False) or device.acquire(timeout=POLL_SECONDS)):
            if self._cancel.requested:
                self._give_up(call)
                return
        try:
            self._here(call)
        finally:
            device.release()

    def _here(self, call: NodeCall) -> None:
        self.running[call.index] = None
        call.here(self._room)
        self._finished(call)

    def _in_pool(self, call: NodeCall) -> None:
        call.here(self._room)
        self._inbox.put(partial(self._finished, call))

    def _finished(self, call: NodeCall) -> None:
        del self.running[call.index]
        if call.pause is None:
            self._ended(call)
            return
        heappush(self._paused, (monotonic() + call.pause, call.index, call))
        self.running[call.index] = partial(self._inbox.put, partial(self._wake, call))

    def _due(self) -> Iterator[NodeCall]:
        now = monotonic()
        while self._paused and self._paused[0][0] <= now:
            yield heappop(self._paused)[2]

    def _wake(self, call: NodeCall) -> None:
        """The run stops while a call is put off."""
        self._paused = [entry for entry in self._paused if entry[2] is not call]
        del self.running[call.index]
        self._give_up(call)

    def _give_up(self, call: NodeCall) -> None:
        call.error = Cancelled("cancelled")
        self._ended(call)
