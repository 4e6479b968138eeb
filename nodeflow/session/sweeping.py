"""A sweep: one document run at many points, sharing what they have in common, and going on where it was stopped."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Protocol, cast

from nodeflow.core.canonical import record_bytes
from nodeflow.core.errors import InvalidDocument, MissingFile, NodeflowError, Problem, UsageError
from nodeflow.core.json import JsonValue
from nodeflow.core.workflow import Document
from nodeflow.session.axes import Axis, Point, as_json, points_of
from nodeflow.session.pointproblems import point_problems
from nodeflow.session.results import Result
from nodeflow.session.running import Running
from nodeflow.session.sources import Loaded, Source, Value
from nodeflow.session.swept import Ending, SweepPoint, ended_point, kept_point, noted_point, within
from nodeflow.session.workplace import Prepared, Workplace
from nodeflow.storage.journal import Journal
from nodeflow.storage.outputs import Outputs

_GLANCE = 0.2
"""Seconds between two looks at points that another process is running."""

Follow = Callable[[Point, Running], Result]
"""Shows a run and waits for its end."""


class Runs(Protocol):
    """What a sweep asks of a session."""

    workplace: Workplace
    outputs: Outputs

    def start(
        self,
        source: Source,
        inputs: Mapping[str, Value] | None = None,
        *,
        targets: Sequence[str] | None = None,
        strict: bool = False,
        label: str = "",
    ) -> Running: ...


class Sweep:
    """Iterate to run it, point by point.

    Every point of it was checked when it was made. What points have in common is computed once, as the session
    remembers it. Points that are done already, by this process or another, are not run again.

    Args:
        session: Runs the points.
        loaded: The document.
        axes: What varies.
        inputs: Further values, the same at all points.
        targets: What to run up to; everything by default.
        strict: Warnings are errors.
        fresh: Run points that are done already, too.
        stop: End at the first failure.

    Attributes:
        points: All of them, in order.
        problems: Warnings about the document.

    Raises:
        InvalidDocument: Some point cannot run; the problems say which.
        MissingFile: Some point needs a file that is not here.
        UsageError: The output folder cannot be written to, or the axes make no sense.
    """

    def __init__(
        self,
        session: Runs,
        loaded: Loaded,
        axes: Sequence[Axis],
        inputs: Mapping[str, Value] | None = None,
        *,
        targets: Sequence[str] | None = None,
        strict: bool = False,
        fresh: bool = False,
        stop: bool = False,
    ) -> None:
        self.axes = tuple(axes)
        self.points = points_of(axes)
        self._session = session
        self._loaded = loaded
        self._inputs = dict(inputs or {})
        self._targets = targets
        self._strict = strict
        self._fresh = fresh
        self._stop = stop
        if both := [name for axis in axes for name in axis.names if name in self._inputs]:
            raise UsageError(f"{both[0]} is given one value and varied as well; keep one of them")
        self.problems = self._checked()
        session.outputs.check()

    @property
    def outputs(self) -> Outputs:
        """Where files go."""
        return self._session.outputs

    def __iter__(self) -> Iterator[SweepPoint]:
        return self.run()

    def run(self, follow: Follow | None = None) -> Iterator[SweepPoint]:
        """Runs the points that are not done, one after the other.

        Args:
            follow: Shows each run and waits for its end.

        Yields:
            Every point as it ends; after one that was cancelled, no more.
        """
        journal = Journal(self._session.outputs.folder, fresh=self._fresh)
        try:
            for ended in self._ended(journal, follow or _wait):
                yield ended
                if ended.ending is Ending.CANCELLED or (self._stop and ended.ending is Ending.FAILED):
                    return
        finally:
            journal.close()

    def _ended(self, journal: Journal, follow: Follow) -> Iterator[SweepPoint]:
        waiting = list(self.points)
        while waiting:
            elsewhere: list[Point] = []
            for point in waiting:
                ended = self._point(point, journal, follow)
                if ended is None:
                    elsewhere.append(point)
                else:
                    yield ended
            if len(elsewhere) == len(waiting):
                time.sleep(_GLANCE)
            waiting = elsewhere

    def _point(self, point: Point, journal: Journal, follow: Follow) -> SweepPoint | None:
        """A point as it ended; None while another process is running it."""
        key = self._key(point)
        if kept := journal.done(key):
            return kept_point(point, kept, self.outputs.folder)
        release = journal.claim(key)
        if release is None:
            return None
        try:
            if kept := journal.done(key):  # meanwhile, by the process that had claimed it
                return kept_point(point, kept, self.outputs.folder)
            return self._run(point, key, journal, follow)
        except NodeflowError as error:
            return SweepPoint(point, Ending.FAILED, failures=(error,))
        finally:
            release()

    def _run(self, point: Point, key: str, journal: Journal, follow: Follow) -> SweepPoint:
        source, inputs, drawn = self._drawn(point, key, journal)
        running = self._session.start(source, inputs, targets=self._targets, strict=self._strict, label=point.label)
        result = follow(point, running)
        ended = ended_point(point, replace(result, drawn={**drawn, **result.drawn}))
        if ended.ending is Ending.DONE:
            folder = self.outputs.folder
            journal.finish(key, noted_point(ended, folder), {within(folder, path): path for path in ended.files})
        return ended

    def _drawn(
        self, point: Point, key: str, journal: Journal
    ) -> tuple[Source, Mapping[str, Value], Mapping[str, JsonValue]]:
        """The document with its draws made, once for this point, however often it is begun."""
        inputs = {**self._inputs, **point.values}
        prepared = self._prepared(point)
        if not prepared.resolution.undrawn:
            return self._loaded, inputs, {}
        files = {name: value for name, value in inputs.items() if isinstance(value, Path)}
        if noted := journal.begun(key):
            document = Document.from_tree(noted["document"])
            return replace(self._loaded, document=document), files, cast("Mapping[str, JsonValue]", noted["drawn"])
        with self._session.workplace.submission(prepared) as ready:
            journal.begin(key, {"document": ready.document.tree, "drawn": dict(ready.drawn)})
        return replace(self._loaded, document=ready.document), files, ready.drawn

    def _prepared(self, point: Point) -> Prepared:
        return self._session.workplace.prepare(self._loaded, {**self._inputs, **point.values}, self._targets)

    def _key(self, point: Point) -> str:
        """Digest of what runs: the document without its looks, and all values."""
        tree = {name: part for name, part in self._loaded.document.tree.items() if name not in ("ui", "meta")}
        values: dict[str, JsonValue] = {
            name: as_json(value, _content) for name, value in {**self._inputs, **point.values}.items()
        }
        targets: list[JsonValue] = [] if self._targets is None else list(self._targets)
        record: JsonValue = {"document": tree, "values": values, "targets": targets}
        return sha256(b"sweep\n" + record_bytes(record)).hexdigest()

    def _checked(self) -> tuple[Problem, ...]:
        found = ((point, self._prepared(point).resolution.problems) for point in self.points)
        problems = point_problems(found, self.axes, len(self.points))
        wrong = [problem for problem in problems if self._strict or problem.severity == "error"]
        if wrong:
            only_files = all(problem.code == "file.missing" for problem in wrong)
            raise (MissingFile if only_files else InvalidDocument)(problems)
        return problems


def _wait(_: Point, running: Running) -> Result:
    try:
        return running.outcome()
    except BaseException:
        running.cancel()
        raise


def _content(path: Path) -> JsonValue:
    """What tells a file, or a folder of files, from any other of its name."""
    files = sorted(each for each in path.iterdir() if each.is_file()) if path.is_dir() else [path]
    return {"file": path.name, "sha256": [sha256(each.read_bytes()).hexdigest() for each in files]}
