"""The worker processes of a server: started, watched over, replaced when they are lost, stopped."""

import asyncio
import logging
import os
import sys
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any, Final

from nodeflow.protocol.errors import Refusal
from nodeflow.protocol.jobs import WorkerInfo
from nodeflow.protocol.work import Answer, Explain, Prewarm, Ready, Sheet
from nodeflow.server.devices import AUTO
from nodeflow.server.engagement import WorkerLost
from nodeflow.server.hiding import Hiding
from nodeflow.server.packwatch import changes_of_packs
from nodeflow.server.worker import Care, Worker
from nodeflow.session.workplace import Workplace

__all__ = ["PROGRAM", "Worker", "WorkerLost", "WorkerOptions", "Workers"]

_LOG = logging.getLogger(__name__)

PROGRAM: Final = (sys.executable, "-P", "-m", "nodeflow.worker")


@dataclass(frozen=True, slots=True)
class WorkerOptions:
    """What all workers of a server have in common.

    Attributes:
        dev: Restart workers when a file of a pack is saved, and find nodes out that change their inputs.
        cold: Import nothing before the first job needs it.
        heartbeat: Seconds of silence after which a worker counts as hung.
        patience: Seconds that a worker has to end when it is asked to.
        idle_release: Seconds without work after which a worker lets go of what it holds in memory; None for never.
    """

    dtype: str = "auto"
    dev: bool = False
    cold: bool = False
    heartbeat: float = 15.0
    patience: float = 30.0
    idle_release: float | None = None


class Workers:
    """All workers of a server.

    Args:
        devices: One for each worker.
        workplace: Home, folders of models, packs.
        program: What to start.

    Attributes:
        listener: Is called after every change of a worker: when it is free for a job, when its models change, when it
            is lost.
    """

    def __init__(
        self,
        devices: Sequence[str],
        workplace: Workplace,
        options: WorkerOptions,
        *,
        program: Sequence[str] = PROGRAM,
    ) -> None:
        self.listener: Callable[[Worker], None] = _nobody
        self._workplace = workplace
        self._options = options
        self._program = tuple(program)
        self._hiding = Hiding(workplace.secrets)
        self._workers: dict[str, Worker] = {}
        self._prewarm: list[tuple[Prewarm, bytes]] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._watching: asyncio.Task[None] | None = None
        sharing = max(1, sum(device == "cpu" for device in devices))
        self._threads = max(1, (os.cpu_count() or 1) // sharing) if sharing > 1 else None
        for device in devices:
            self._add(device)

    async def start(self) -> None:
        """Starts them all, without waiting until they are ready."""
        for worker in self:
            self._keep(worker.keep_alive(), f"worker {worker.name}")
        if self._options.dev:
            self._watching = self._keep(self._renew_on_changes(), "watching packs")

    async def stop(self) -> None:
        """Asks them to end, waits, and ends those that do not."""
        for worker in self:
            worker.stop()
        if self._watching is not None:
            self._watching.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def __iter__(self) -> Iterator[Worker]:
        return iter(tuple(self._workers.values()))

    def __getitem__(self, name: str) -> Worker:
        return self._workers[name]

    @property
    def ready(self) -> bool:
        """Whether at least one can take jobs."""
        return any(worker.ready for worker in self)

    @property
    def infos(self) -> tuple[WorkerInfo, ...]:
        """How they all are."""
        return tuple(worker.info for worker in self)

    def free(self) -> Mapping[str, tuple[str, ...]]:
        """Those that have nothing to do, and the models that each holds."""
        return {worker.name: worker.models for worker in self if worker.free}

    async def ask(self, question: Explain | Sheet, body: bytes = b"", *, patience: float | None = None) -> Answer:
        """Has an idle worker, else any, answer a question within so many seconds.

        Raises:
            Refusal: worker.none.
        """
        able = [worker for worker in self if worker.ready]
        if not able:
            raise Refusal("worker.none", "no worker is ready", hint="try again in a moment; /readyz tells when")
        try:
            async with asyncio.timeout(patience):
                return await min(able, key=lambda worker: not worker.free).ask(question, body)
        except TimeoutError as error:
            message = f"the worker that was asked did not answer within {patience:g} s"
            raise Refusal("worker.none", message, hint="try again when it has less to do") from error
        except WorkerLost as lost:
            raise Refusal("worker.none", f"the worker that was asked is lost: {lost}", hint="try again") from lost

    async def prewarm(self, question: Prewarm, document: bytes) -> None:
        """Has every worker get ready for a document, now and whenever its process was started."""
        self._prewarm.append((question, document))
        await asyncio.gather(*(self._warm(worker, question, document) for worker in self if worker.ready))

    async def _warm(self, worker: Worker, question: Prewarm, document: bytes) -> None:
        what = {"worker": worker.name}
        try:
            answer = await worker.ask(question, document)
        except WorkerLost:  # its successor is asked the same
            return
        if answer.error:
            _LOG.warning("a document to prewarm cannot run: %s", answer.error, extra=what)
        else:
            _LOG.info("worker %s is warm", worker.name, extra=what)

    def _add(self, device: str) -> Worker:
        name = next(name for name in _names(device) if name not in self._workers)
        care = Care(
            (*self._program, *_arguments(self._workplace, self._options, device)),
            self._threads if device == "cpu" else None,
            self._options.heartbeat,
            self._options.patience,
            self._hiding.scrub,
        )
        worker = self._workers[name] = Worker(name, device, care, self._changed, self._found)
        return worker

    def _changed(self, worker: Worker) -> None:
        self.listener(worker)

    def _found(self, worker: Worker, ready: Ready) -> None:
        """A worker is ready; where it was to choose a device and there are several, the others get their own."""
        for question, document in self._prewarm:
            self._keep(self._warm(worker, question, document), f"prewarming {worker.name}")
        if worker.wanted != AUTO:
            return
        for device in set(ready.devices).difference(each.device for each in self):
            other = self._add(device)
            self._keep(other.keep_alive(), f"worker {other.name}")

    def _keep(self, work: Coroutine[Any, Any, None], name: str) -> "asyncio.Task[None]":
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._let_go)
        return task

    def _let_go(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _LOG.error("%s has failed", task.get_name(), exc_info=error)

    async def _renew_on_changes(self) -> None:
        async for files in changes_of_packs(self._workplace):
            _LOG.info("workers are started anew because of %s", ", ".join(sorted(files)))
            for worker in self:
                worker.renew()


def _nobody(_: Worker) -> None:
    return None


def _names(device: str) -> Iterator[str]:
    """``cpu``, ``cpu-2``, ``cuda-0``: usable in addresses and file names."""
    stem = device.replace(":", "-")
    yield stem
    yield from (f"{stem}-{number}" for number in count(2))


def _arguments(workplace: Workplace, options: WorkerOptions, device: str) -> Iterator[str]:
    yield f"--home={workplace.home.root}"
    yield f"--device={device}"
    yield f"--dtype={options.dtype}"
    yield from (f"--models-dir={folder.absolute()}" for folder in workplace.models_dirs)
    if options.idle_release is not None:
        yield f"--idle-release={options.idle_release}"
    yield from (f"--{name}" for name in ("dev", "cold") if getattr(options, name))
