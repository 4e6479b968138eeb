"""The worker processes of a server: started, listened to, replaced when they are lost, stopped."""

from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from nodeflow.core.errors import NodeflowError
from nodeflow.protocol.jobs import WorkerInfo
from nodeflow.protocol.work import Answer, Done, Explain, Happened, Preview, Prewarm, Run, Sheet


class WorkerLost(NodeflowError):
    """A worker ended, or fell silent, in the middle of a job; the message says how."""


@dataclass(frozen=True, slots=True)
class WorkerOptions:
    """What all workers of a server have in common.

    Attributes:
        home: The user's folder.
        models_dirs: Further folders of models.
        dev: Restart workers when a file of a pack is saved.
        heartbeat: Seconds of silence after which a worker counts as hung.
        patience: Seconds that a worker has to end when it is asked to.
        idle_release: Seconds without work after which a worker lets go of what it holds in memory; None for never.
    """

    home: Path
    models_dirs: tuple[Path, ...] = ()
    dtype: str = "auto"
    dev: bool = False
    heartbeat: float = 15.0
    patience: float = 30.0
    idle_release: float | None = None


def devices_of(text: str) -> tuple[str, ...]:
    """The devices that ``cpu*2,cuda:0`` names, one for each worker."""
    raise NotImplementedError


class Worker:
    """One place for a worker: its process may be replaced, its name stays."""

    name: str

    @property
    def info(self) -> WorkerInfo:
        """How it is."""
        raise NotImplementedError

    def run(self, run: Run, document: bytes) -> AsyncIterator[tuple[Happened | Preview | Done, bytes]]:
        """Runs a job; what it says comes as it says it, ``Done`` last."""
        raise NotImplementedError


class Workers:
    """All workers of a server."""

    def __init__(
        self,
        devices: Sequence[str],
        options: WorkerOptions,
        *,
        program: Sequence[str] | None = None,
        changed: Callable[[Worker], None] = lambda _: None,
    ) -> None:
        raise NotImplementedError

    async def start(self) -> None:
        """Starts them all, without waiting until they are ready."""
        raise NotImplementedError

    async def stop(self) -> None:
        """Asks them to end, waits, and ends those that do not."""
        raise NotImplementedError

    def __iter__(self) -> Iterator[Worker]:
        raise NotImplementedError

    def __getitem__(self, name: str) -> Worker:
        raise NotImplementedError

    @property
    def ready(self) -> bool:
        """Whether at least one can take jobs."""
        raise NotImplementedError

    @property
    def infos(self) -> tuple[WorkerInfo, ...]:
        """How they all are."""
        raise NotImplementedError

    def free(self) -> Mapping[str, tuple[str, ...]]:
        """Those that have nothing to do, and the models that each holds."""
        raise NotImplementedError

    async def ask(self, question: Explain | Sheet | Prewarm, body: bytes = b"") -> Answer:
        """Has an idle worker, else any, answer a question."""
        raise NotImplementedError
