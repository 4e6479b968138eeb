"""Sweeps on their way to the end: when the last job of one has ended, its pictures are laid out."""

import asyncio
import logging
import re
import time
from collections.abc import Mapping, Sequence
from typing import Final

from sqlalchemy import Connection

from nodeflow.protocol.errors import Refusal
from nodeflow.protocol.ids import new_id
from nodeflow.protocol.jobs import JobState
from nodeflow.protocol.work import File, SheetPoint
from nodeflow.server.dispatch import Jobs
from nodeflow.server.dispatcher import Ended
from nodeflow.server.sweepmaking import axes_of_plan, plain
from nodeflow.session.axes import points_of
from nodeflow.storage.database import outputs, sweeps
from nodeflow.storage.database.outputs import Output
from nodeflow.storage.database.records import NewOutput
from nodeflow.storage.database.store import Store
from nodeflow.storage.database.sweeps import Sweep

_LOG: Final = logging.getLogger("nodeflow.server.sweeps")
_UNSAFE: Final = re.compile(r"[^\w.+-]+")
_LONGEST: Final = 40
_PAUSE: Final = 2.0
"""Seconds until a worker is asked again, where none is there."""
SHEET: Final = "sheet"
"""Name of the outputs that are contact sheets; their job is the sweep."""


class Sweeps:
    """Ends sweeps."""

    def __init__(self, store: Store, jobs: Jobs) -> None:
        self._store = store
        self._jobs = jobs
        self._tasks: dict[str, asyncio.Task[None]] = {}
        jobs.listen(self._hear)

    async def start(self) -> None:
        """Takes up sweeps whose end an earlier server did not see."""
        for sweep in await self._store.read(sweeps.unfinished):
            self._look_after(sweep.id)

    async def stop(self) -> None:
        """Leaves what is not done to the next start."""
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    def _hear(self, ended: Ended) -> None:
        if ended.sweep:
            self._look_after(ended.sweep)

    def _look_after(self, id: str) -> None:
        before = self._tasks.get(id)

        async def look() -> None:
            if before is not None:
                await asyncio.gather(before, return_exceptions=True)
            await self._end(id)
            if self._tasks.get(id) is task:
                del self._tasks[id]

        task = asyncio.create_task(look(), name=f"sweep {id}")
        self._tasks[id] = task

    async def _end(self, id: str) -> None:
        sweep, counts = await self._store.read(lambda c: (sweeps.find(c, id, None), sweeps.counts(c, id)))
        if sweep is None or sweep.finished is not None or any(counts[state] for state in counts if not state.final):
            return
        files = await self._laid_out(sweep) if sweep.plan.get("sheet") and counts[JobState.SUCCEEDED] else ()
        new, now = [_output(file) for file in files], time.time()
        await self._store.write(lambda c: _note(c, sweep, new, now))

    async def _laid_out(self, sweep: Sweep) -> Sequence[File]:
        """The contact sheets; what is wrong with them is in the log, since the points are done all the same."""
        found = await self._store.read(lambda c: _files_of(c, sweep))
        axes = axes_of_plan(sweep.plan)
        places = {point.index: point.place for point in points_of(axes)}
        points = [_sheet_point(places[index], files) for index, files in found.items() if index in places]
        steps = [[plain(step) for step in axis.steps] for axis in axes]
        while True:
            try:
                return await self._jobs.questions.sheet(
                    steps, points, client=sweep.client, stem=f"{_stem(sweep)}_sheet"
                )
            except Refusal as refusal:
                if refusal.body.code != "worker.none":
                    _LOG.warning("sweep %s has no contact sheet: %s", sweep.id, refusal)
                    return ()
            await asyncio.sleep(_PAUSE)


def _note(connection: Connection, sweep: Sweep, new: Sequence[NewOutput], now: float) -> None:
    if sweeps.finish(connection, sweep.id, now):
        outputs.add(connection, sweep.client, sweep.id, new, now)


def _files_of(connection: Connection, sweep: Sweep) -> Mapping[int, Sequence[Output]]:
    """The files of the points that have some, by number; of a point that was repeated those of its last job."""
    last = {point: job for point, job, _ in sweeps.points(connection, sweep.id)}
    found = outputs.of_jobs(connection, list(last.values()))
    return {point: [each for each in found[job] if each.path and not each.trashed] for point, job in last.items()}


def _sheet_point(place: tuple[int, ...], files: Sequence[Output]) -> SheetPoint:
    named: dict[str, list[str]] = {}
    for file in files:
        if file.info.name:
            named.setdefault(file.info.name, []).append(file.path)
    return SheetPoint(
        place=place,
        outputs={name: tuple(paths) for name, paths in named.items()},
        files=tuple([file.path for file in files]),
    )


def _output(file: File) -> NewOutput:
    return NewOutput(
        id=new_id(),
        name=SHEET,
        node="",
        type="Image",
        path=file.path,
        media_type=file.media_type,
        bytes=file.bytes,
        sha256=file.sha256,
    )


def _stem(sweep: Sweep) -> str:
    """What the file names begin with: the workflow's name, or the words of the title."""
    named = sweep.workflow.partition("@")[0] or _UNSAFE.sub("-", sweep.title).strip("-")[:_LONGEST]
    return named or "sweep"
