"""A worker that is given to one job, until that has ended or the worker is lost."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import Final, TypeAlias

from nodeflow.core.errors import NodeflowError
from nodeflow.protocol.work import Cancel, Done, Happened, Preview, Run
from nodeflow.server.process import WorkerProcess

_MOST_WAITING: Final = 64
"""Messages of a job that wait to be looked at before its worker has to wait, too."""

Told: TypeAlias = tuple[Happened | Preview | Done, bytes]


class WorkerLost(NodeflowError):
    """A worker ended, fell silent or was ended in the middle of something; the message says how.

    Attributes:
        begun: It had been given its job.
    """

    def __init__(self, reason: str, *, begun: bool = True) -> None:
        self.begun = begun
        super().__init__(reason)


class Engagement:
    """A worker that is given to one job, until that has ended or the worker is lost."""

    def __init__(self, job: str, process: WorkerProcess, leave: Callable[["Engagement"], None]) -> None:
        self.job = job
        self._process = process
        self._leave = leave
        self.over = False
        """It has ended, or its worker is lost: what the worker does now is nothing of this job's."""
        self._begun = False
        self._forsaken = False
        self._told: asyncio.Queue[Told | WorkerLost] = asyncio.Queue(_MOST_WAITING)
        self._lost = ""

    async def run(self, run: Run, document: bytes) -> AsyncIterator[Told]:
        """Gives the worker its job; what it says comes as it says it, ``Done`` last.

        Raises:
            WorkerLost: It was lost before it was done, or before it was given the job.
        """
        self._begun = not self._lost
        self._process.send(run, document)
        while not (self._lost and self._told.empty()):
            told = await self._told.get()
            if isinstance(told, WorkerLost):
                break
            yield told
            if isinstance(told[0], Done):
                return
        raise WorkerLost(self._lost, begun=self._begun)

    def cancel(self) -> None:
        """Asks the worker to stop the job within one step."""
        self._process.send(Cancel(job=self.job))

    def kill(self, reason: str) -> None:
        """Ends the worker with the job."""
        self._process.kill(reason)

    def release(self) -> None:
        """Gives a worker back that was not given the job after all."""
        self._leave(self)

    def forsake(self, reason: str) -> None:
        """Ends the worker with the job, to which nobody listens any more."""
        self._forsaken = True
        while not self._told.empty():
            self._told.get_nowait()
        self._process.kill(reason)

    async def hear(self, told: Told) -> None:
        """Takes what the worker says; waits while whoever listens is behind."""
        if not self._forsaken:
            await self._told.put(told)

    def lose(self, reason: str) -> None:
        """The worker is gone."""
        self._lost, self.over = reason, True
        with suppress(asyncio.QueueFull):  # whoever is behind finds out when it has caught up
            self._told.put_nowait(WorkerLost(reason))
