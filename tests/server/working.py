"""Jobs with workers behind them, which are stand-ins unless a test asks for real ones."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nodeflow.protocol.events import JobEvent
from nodeflow.protocol.ids import new_id
from nodeflow.protocol.jobs import JobInfo, JobOptions, JobState
from nodeflow.server.dispatch import Jobs
from nodeflow.server.hub import Hub
from nodeflow.server.settings import ServerSettings
from nodeflow.server.workers import WorkerOptions, Workers
from nodeflow.session.workplace import Workplace
from nodeflow.storage.database import events
from nodeflow.storage.database.records import NewJob
from nodeflow.storage.database.store import Store
from nodeflow.storage.home import Home

STAND_IN = (sys.executable, "-I", "-S", str(Path(__file__).with_name("stand_in.py")))


@dataclass
class Shop:
    """Jobs, and what is behind them."""

    jobs: Jobs
    store: Store
    hub: Hub
    workers: Workers
    home: Home

    async def submit(self, document: Any, client: str = "local", **more: Any) -> str:
        """A job for a document, or for what a stand-in is to do."""
        return (await self.jobs.submit(new_job(document, client, **more))).id

    async def done(self, id: str, seconds: float = 30.0) -> JobInfo:
        """A job that has ended."""
        info = await self.jobs.wait(id, seconds)
        assert info.state.final, f"{id} is {info.state} after {seconds} s"
        return info

    async def events(self, id: str) -> Sequence[JobEvent]:
        """What happened to a job."""
        return await self.store.read(lambda c: events.since(c, id, 0, 10_000))

    async def until(self, true: Callable[[], Awaitable[bool]], seconds: float = 20.0) -> None:
        """Waits until something is so."""
        async with asyncio.timeout(seconds):
            while not await true():
                await asyncio.sleep(0.005)

    async def running(self, id: str, *, node: str = "") -> JobInfo:
        """A job that runs, at a node."""

        async def there() -> bool:
            info = await self.jobs.info(id)
            return info.state is JobState.RUNNING and node in (info.node, "")

        await self.until(there)
        return await self.jobs.info(id)

    async def ready(self) -> None:
        """All workers are there."""

        async def all_ready() -> bool:
            return all(worker.free for worker in self.workers)

        await self.until(all_ready)


def new_job(document: Any, client: str = "local", **more: Any) -> NewJob:
    """A job; options are told by their names."""
    data = document if isinstance(document, bytes) else json.dumps(document).encode()
    options = {name: more.pop(name) for name in tuple(more) if name in JobOptions.model_fields}
    return NewJob(new_id(), client, data, 1.0, options=JobOptions.model_validate(options), **more)


@asynccontextmanager
async def shop(
    folder: Path,
    devices: Sequence[str] = ("cpu",),
    *,
    program: Sequence[str] = STAND_IN,
    settings: ServerSettings | None = None,
    options: WorkerOptions | None = None,
) -> AsyncIterator[Shop]:
    """Jobs over a home in a folder; all of it is put away in the end."""
    home = Home(folder)
    settings = settings or ServerSettings()
    options = options or WorkerOptions(cold=True, heartbeat=settings.heartbeat_seconds, patience=settings.stop_seconds)
    store = Store.open(home.database)
    hub = Hub(store)
    workers = Workers(devices, Workplace(home, output_dir=home.output), options, program=program)
    jobs = Jobs(store, hub, workers, settings, home)
    await jobs.start()
    try:
        yield Shop(jobs, store, hub, workers, home)
    finally:
        await jobs.stop()
        await hub.aclose()
        await store.aclose()
