"""The jobs of a server: taken in, handed to workers, followed to their one end."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pydantic import JsonValue

from nodeflow.protocol.jobs import JobChange, JobInfo, JobPage, JobState, QueueInfo
from nodeflow.server.settings import ServerSettings
from nodeflow.server.workers import Workers
from nodeflow.storage.home import Home

if TYPE_CHECKING:
    from nodeflow.server.hub import Hub
    from nodeflow.storage.database.jobs import Added, NewJob
    from nodeflow.storage.database.store import Store


class Jobs:
    """The only one that changes jobs: the service behind the routes.

    ``client`` is None for whoever may see all jobs; any other client is told of its own only.
    """

    def __init__(self, store: "Store", hub: "Hub", workers: Workers, settings: ServerSettings, home: Home) -> None:
        self._store = store
        self._hub = hub
        self._workers = workers
        self._settings = settings
        self._home = home

    async def start(self) -> None:
        """Takes up what the last server left, starts workers, begins to hand out jobs."""
        raise NotImplementedError

    async def stop(self) -> None:
        """Hands out no more; what runs is interrupted within one step and goes back into the queue."""
        raise NotImplementedError

    async def submit(self, new: "NewJob") -> "Added":
        """Takes a job in; it is on disk when this returns.

        Raises:
            Refusal: queue.full, key.reused, server.stopping, server.storage.
        """
        raise NotImplementedError

    async def submit_many(self, new: "Sequence[NewJob]") -> "Sequence[Added]":
        """Takes all of some jobs in, or none; those of a sweep."""
        raise NotImplementedError

    async def cancel(self, id: str, client: str | None = None) -> JobInfo:
        """Cancels one job: at once where it is queued, within one step where it runs.

        Raises:
            Refusal: job.unknown, job.final.
        """
        raise NotImplementedError

    async def retry(self, id: str, client: str | None = None) -> "Added":
        """Makes a new job of one that has ended. Raises Refusal: job.unknown, job.not-final, queue.full."""
        raise NotImplementedError

    async def remove(self, id: str, client: str | None = None) -> None:
        """Forgets a job that has ended; its files stay. Raises Refusal: job.unknown, job.not-final."""
        raise NotImplementedError

    async def change(self, id: str, change: JobChange, client: str | None = None) -> JobInfo:
        """Changes priority or place of a queued job. Raises Refusal: job.unknown, job.not-queued."""
        raise NotImplementedError

    async def pause(self) -> None:
        """Begins no more jobs until ``resume``, also after a restart."""
        raise NotImplementedError

    async def resume(self) -> None:
        """Goes on."""
        raise NotImplementedError

    async def clear(self, client: str | None = None) -> int:
        """Cancels all queued jobs; how many those were."""
        raise NotImplementedError

    async def info(self, id: str, client: str | None = None) -> JobInfo:
        """Everything about a job. Raises Refusal: job.unknown."""
        raise NotImplementedError

    async def page(
        self,
        *,
        client: str | None = None,
        states: Sequence[JobState] = (),
        workflow: str = "",
        sweep: str = "",
        after: str | None = None,
        limit: int = 100,
    ) -> JobPage:
        """A part of the list of jobs, latest first."""
        raise NotImplementedError

    async def queue(self) -> QueueInfo:
        """The queue as a whole."""
        raise NotImplementedError

    async def wait(self, id: str, seconds: float, client: str | None = None) -> JobInfo:
        """The job once it has ended, or as it is when the time is up."""
        raise NotImplementedError

    async def explain(
        self,
        document: bytes,
        inputs: Mapping[str, JsonValue],
        *,
        client: str,
        targets: Sequence[str] | None = None,
    ) -> JsonValue:
        """What would run of a document. Raises Refusal: worker.none, document.invalid."""
        raise NotImplementedError

    async def sheet(
        self, axes: Sequence[Mapping[str, JsonValue]], points: Sequence[Mapping[str, Any]], *, client: str, stem: str
    ) -> Sequence[str]:
        """Lays out the pictures of a sweep; the files within the client's output folder. Raises Refusal: worker.none."""
        raise NotImplementedError

    async def prewarm(self, document: bytes) -> None:
        """Has every worker compute what a document computes, so that its models are in memory."""
        raise NotImplementedError
