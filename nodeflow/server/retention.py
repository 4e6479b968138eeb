"""What is old or too much goes: jobs with their events, outputs, uploads, the trash, small pictures."""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Final

from nodeflow.server.places import places_of
from nodeflow.server.settings import ServerSettings
from nodeflow.server.sweeping import remove_files, remove_graves, remove_old, remove_oldest
from nodeflow.storage.database import outputs, retention
from nodeflow.storage.database.failures import StorageFailed
from nodeflow.storage.database.outputs import Output
from nodeflow.storage.home import Home

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from nodeflow.storage.database.store import Store

_LOG: Final = logging.getLogger(__name__)

DAY: Final = 86_400.0
FIRST: Final = 30.0
"""Seconds from the start of the server to the first round."""
EVERY: Final = 300.0
"""Seconds between two rounds."""
BREATH: Final = 0.05
"""Seconds between two batches, for whoever wants to write."""
THUMBNAIL_BYTES: Final = 512 * 2**20


class Keeper:
    """Removes in the background, in small batches, what the settings do not keep."""

    def __init__(
        self, store: "Store", settings: ServerSettings, home: Home, *, clock: Callable[[], float] = time.time
    ) -> None:
        self._store = store
        self._kept = settings.retention
        self._home = home
        self._clock = clock
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begins."""
        self._task = asyncio.create_task(self._run(), name="retention")

    async def stop(self) -> None:
        """Ends between two batches."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
            self._task = None

    async def sweep(self) -> None:
        """One round."""
        for step in (self._drop_jobs, self._drop_outputs, self._drop_uploads, self._empty_trash, self._drop_thumbnails):
            try:
                await step()
            except (StorageFailed, OSError) as error:
                _LOG.error("what is old stays for now: %s", error)

    async def _run(self) -> None:
        await asyncio.sleep(FIRST)
        while True:
            await self.sweep()
            await asyncio.sleep(EVERY)

    async def _drop_jobs(self) -> None:
        kept = self._kept
        if kept.jobs_days is not None:
            before = self._before(kept.jobs_days)
            await self._all_of("jobs", lambda c: retention.drop_jobs(c, before))
            await self._all_of("sweeps", lambda c: retention.drop_sweeps(c, before))
        if kept.jobs_count is not None:
            await self._all_of("jobs", partial(retention.drop_jobs_beyond, kept=kept.jobs_count))

    async def _drop_outputs(self) -> None:
        kept = self._kept
        if kept.outputs_days is not None:
            before = self._before(kept.outputs_days)
            while found := await self._store.read(lambda c: retention.old_outputs(c, before)):
                await self._delete(found)
        if kept.outputs_bytes is not None:
            await self._shrink_outputs(kept.outputs_bytes)

    async def _shrink_outputs(self, most: int) -> None:
        """Deletes the oldest outputs until the others fit."""
        now = self._clock()
        over = await self._store.read(retention.output_bytes) - most
        while over > 0 and (found := await self._store.read(lambda c: retention.old_outputs(c, now))):
            chosen: list[Output] = []
            for output in found:
                if over > 0:
                    chosen.append(output)
                    over -= output.info.bytes
            await self._delete(chosen)

    async def _drop_uploads(self) -> None:
        kept, folder = self._kept, self._home.uploads
        if kept.uploads_days is not None:
            await self._files("uploads", partial(remove_old, folder, self._before(kept.uploads_days)))
        if kept.uploads_bytes is not None:
            # What came today may be what a queued job waits for.
            await self._files("uploads", partial(remove_oldest, folder, kept.uploads_bytes, self._before(1.0)))

    async def _empty_trash(self) -> None:
        before = self._before(self._kept.trash_days)
        while found := await self._store.read(lambda c: retention.trashed_outputs(c, before)):
            await self._delete(found)
        await self._all_of("documents", lambda c: retention.drop_documents(c, before))
        await self._files("files in the trash", partial(remove_graves, self._home.trash / "uploads", before))

    async def _drop_thumbnails(self) -> None:
        await self._files(
            "small pictures", partial(remove_oldest, self._home.thumbnails, THUMBNAIL_BYTES, self._clock())
        )

    def _before(self, days: float) -> float:
        return self._clock() - days * DAY

    async def _all_of(self, what: str, drop: "Callable[[Connection], int]") -> None:
        """Drops batch after batch until there is nothing more."""
        total = 0
        while dropped := await self._store.write(drop):
            total += dropped
            await asyncio.sleep(BREATH)
        _tell(what, total)

    async def _files(self, what: str, remove: Callable[[], int]) -> None:
        _tell(what, await asyncio.to_thread(remove))

    async def _delete(self, leaving: Sequence[Output]) -> None:
        """Deletes files first, then what is known of them: a crash in between leaves what the next round ends."""
        named = await self._store.read(lambda c: retention.still_named(c, leaving))
        files = [
            (places_of(self._home, each.client).output, each.path)
            for each in leaving
            if (each.client, each.path) not in named
        ]
        await asyncio.to_thread(remove_files, files)
        ids = [each.id for each in leaving]
        await self._store.write(lambda c: outputs.forget(c, ids))
        _tell("outputs", len(leaving))
        await asyncio.sleep(BREATH)


def _tell(what: str, count: int) -> None:
    if count:
        _LOG.info("%d %s were no longer kept", count, what)
