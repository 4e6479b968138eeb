"""A place for a worker: its process comes and goes, jobs are given to it one at a time."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from secrets import token_hex
from typing import Final, TypeAlias

from pydantic import ValidationError

from nodeflow.protocol.frames import BrokenStream, Frame
from nodeflow.protocol.jobs import WorkerInfo
from nodeflow.protocol.work import (
    FROM_WORKER,
    Answer,
    Beat,
    Done,
    Explain,
    FromWorker,
    Happened,
    Preview,
    Prewarm,
    Ready,
    Refused,
    Sheet,
    Stop,
    Warm,
)
from nodeflow.server.engagement import Engagement, WorkerLost
from nodeflow.server.process import WorkerProcess

_LOG = logging.getLogger(__name__)
_LARGE: Final = 64 * 1024
"""Bytes of a message from which on it is read beside the loop."""
_SHOWN: Final = 4000
"""Characters of a line that a worker prints which are put into the log; cut once secrets are masked, never before."""

START_SECONDS: Final = 120.0
"""What a worker may take from its start until it is ready."""
_PAUSES: Final = (0.0, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
"""Seconds before a worker is started again, by the number of times in a row that it was lost for no job's sake."""
_RENEWED: Final = "it is started anew"

Question: TypeAlias = Explain | Sheet | Prewarm


@dataclass(frozen=True, slots=True)
class Care:
    """How the process of a worker is started and looked after.

    Attributes:
        program: What to start.
        threads: Threads that it may compute with; None for as many as it likes.
        heartbeat: Seconds of silence after which it counts as hung.
        patience: Seconds that it has to end when it is asked to.
        scrub: Masks secrets in what it prints.
    """

    program: Sequence[str]
    threads: int | None
    heartbeat: float
    patience: float
    scrub: Callable[[str], str]


class Worker:
    """One worker of a server.

    Args:
        name: Stays the same, whatever becomes of its process.
        wanted: Its device, or ``auto``.
        changed: Is called after every change that others may want to know of.
        found: Is called with what the worker says when it is ready.
    """

    def __init__(
        self,
        name: str,
        wanted: str,
        care: Care,
        changed: Callable[["Worker"], None],
        found: Callable[["Worker", Ready], None],
    ) -> None:
        self.name = name
        self.wanted = wanted
        self.device = wanted
        self.models: tuple[str, ...] = ()
        self._care = care
        self._changed = changed
        self._found = found
        self._process: WorkerProcess | None = None
        self._ready = False
        self._warm = False
        self._engagement: Engagement | None = None
        self._questions: dict[str, asyncio.Future[Answer]] = {}
        self._memory = 0
        self._restarts = 0
        self._lost_in_a_row = 0
        self._problem = ""
        self._stale = False
        self._stopping = False
        self._stopped = asyncio.Event()

    @property
    def ready(self) -> bool:
        """It is there, can be asked, and takes jobs, at once or soon."""
        return self._ready and not self._stopping

    @property
    def free(self) -> bool:
        """It has no job, and can take one."""
        return self.ready and self._warm and self._engagement is None and not self._stale

    @property
    def info(self) -> WorkerInfo:
        """How it is."""
        return WorkerInfo(
            name=self.name,
            device=self.device,
            state=self._state,
            job="" if self._engagement is None else self._engagement.job,
            pid=None if self._process is None else self._process.pid,
            models=self.models,
            memory=self._memory,
            restarts=self._restarts,
            problem=self._problem,
        )

    def engage(self, job: str) -> Engagement:
        """Reserves it for a job; only while it is free."""
        assert self.free, "a worker has one job at a time"
        assert self._process is not None, "what is free has a process"
        self._engagement = Engagement(job, self._process, self._leave)
        self._changed(self)
        return self._engagement

    async def ask(self, question: Question, body: bytes = b"") -> Answer:
        """Has it answer a question, also while it runs a job.

        Raises:
            WorkerLost: It was lost before it had answered.
        """
        if self._process is None or not self._ready:
            raise WorkerLost("it is not ready", begun=False)
        asked = question.model_copy(update={"ask": token_hex(8)})
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._questions[asked.ask] = future
        self._process.send(asked, body)
        try:
            return await future
        finally:
            self._questions.pop(asked.ask, None)

    def renew(self) -> None:
        """Starts its process anew, when the job that it runs has ended."""
        if self._process is None:
            return
        self._stale = True
        if self._engagement is None:
            self._process.kill(_RENEWED)

    def stop(self) -> None:
        """Asks it to end: at once where it has nothing to do, else within one step; ``keep_alive`` then returns."""
        self._stopping = True
        self._stopped.set()
        process = self._process
        if process is None:
            return
        if self._engagement is None and not self._questions:
            process.kill("the server stops")
            return
        process.send(Stop())
        patience = self._care.patience
        asyncio.get_running_loop().call_later(patience, process.kill, f"it did not stop within {patience:g} s")

    async def keep_alive(self) -> None:
        """Starts its process, listens to it, and starts another one when it is lost, until ``stop``."""
        while not self._stopping:
            try:
                process = await WorkerProcess.start(self._care.program, self._care.threads, self._log)
            except OSError as error:
                self._gone(f"no process could be started for it: {error.strerror or error}")
            else:
                await self._look_after(process)
            with suppress(TimeoutError):
                pause = _PAUSES[min(self._lost_in_a_row, len(_PAUSES) - 1)]
                await asyncio.wait_for(self._stopped.wait(), pause)

    async def _look_after(self, process: WorkerProcess) -> None:
        self._process = process
        self._changed(self)
        if self._stopping:  # it was asked to while the process was being started
            self.stop()
        try:
            fault = await self._listen(process)
            if fault:
                process.kill(fault)
        except BaseException:
            process.kill("the server stops")
            raise
        finally:
            self._ready = self._warm = False
            self._gone(await process.ended(self._care.patience))

    async def _listen(self, process: WorkerProcess) -> str:
        """Takes in what it says until it says no more; why it has to be ended, if it has."""
        while True:
            limit = self._care.heartbeat if self._ready else START_SECONDS
            try:
                async with asyncio.timeout(limit):
                    frame = await process.receive()
                if frame is None:
                    return ""
                await self._take(frame)
            except TimeoutError:
                return f"it was silent for {limit:g} s"
            except (BrokenStream, ValidationError) as error:
                return f"it said something that is no message: {error}"

    async def _take(self, frame: Frame) -> None:
        large = len(frame.head) > _LARGE
        message = await asyncio.to_thread(_read, frame.head) if large else _read(frame.head)
        match message:
            case Happened() | Preview() | Done():
                await self._told(message, frame.body)
            case Beat():
                if (self.models, self._memory) != (message.models, message.memory):
                    self.models, self._memory = message.models, message.memory
                    self._changed(self)
            case Answer():
                self._answered(message)
            case Ready():
                self._ready, self.device, self._problem = True, message.device, ""
                self._found(self, message)
                self._changed(self)
            case Warm():
                self._warm = True
                self._changed(self)
            case Refused():
                self._problem = message.message
                _LOG.error("worker %s cannot work: %s", self.name, message.message, extra={"worker": self.name})

    async def _told(self, message: Happened | Preview | Done, body: bytes) -> None:
        engagement = self._engagement
        if engagement is None or engagement.job != message.job:
            return
        if isinstance(message, Done):
            engagement.over = True
            self._lost_in_a_row = 0
            self.models = message.models
            self._leave(engagement)
        await engagement.hear((message, body))

    def _answered(self, answer: Answer) -> None:
        asked = self._questions.get(answer.ask)
        if asked is not None and not asked.done():
            asked.set_result(answer)

    def _leave(self, engagement: Engagement) -> None:
        if self._engagement is not engagement:
            return
        self._engagement = None
        if self._stale and self._process is not None:
            self._process.kill(_RENEWED)
        self._changed(self)

    def _gone(self, reason: str) -> None:
        """Its process is no more."""
        engagement, self._engagement = self._engagement, None
        renewed, self._stale = self._stale and engagement is None, False
        self._process, self.models, self._memory = None, (), 0
        if not (renewed or self._stopping):
            self._restarts += 1
            self._lost_in_a_row = self._lost_in_a_row + 1 if engagement is None else 0
            what = {"worker": self.name, "job": "" if engagement is None else engagement.job}
            _LOG.warning("worker %s is lost: %s", self.name, reason, extra=what)
        if engagement is not None:
            engagement.lose(reason)
        for asked in self._questions.values():
            if not asked.done():
                asked.set_exception(WorkerLost(reason))
        self._changed(self)

    @property
    def _state(self) -> str:
        if self._process is None or self._stale:
            return "restarting" if self._restarts or self._stale else "starting"
        if not self._warm:
            return "starting"
        return "idle" if self._engagement is None else "busy"

    def _log(self, line: str) -> None:
        job = "" if self._engagement is None else self._engagement.job
        _LOG.info("%s", self._care.scrub(line)[:_SHOWN], extra={"worker": self.name, "job": job})


def _read(head: bytes) -> FromWorker:
    return FROM_WORKER.validate_json(head)
