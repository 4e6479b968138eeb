"""Events of a run on their way to the server: gathered for a moment, and few of each node's steps."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from threading import Condition, Thread
from time import monotonic, time
from typing import Final, Self

from pydantic import JsonValue

from nodeflow.engine.events import (
    Event,
    NodeFailedEvent,
    NodeFinished,
    NodeStarted,
    Progress,
    RunStarted,
    Saved,
    Shown,
    Waiting,
    Warned,
)
from nodeflow.protocol.report import finite
from nodeflow.protocol.work import Happened, Occurrence, Preview
from nodeflow.session.results import described, image_of, plain

LINGER: Final = 0.01
"""Seconds in which events gather before they are sent together."""
STEP_SECONDS: Final = 0.1
"""A node's steps are told at most once in so many seconds, the last one always."""
MOST_WARNINGS: Final = 1000
"""Warnings of one run that are told and reported; a last one says that there are more."""
MOST_EVENTS: Final = 100_000
"""Other events of one kind in one run that are told; a last warning says that there are more."""
MOST_CHARACTERS: Final = 8 * 2**20
"""Of all that the nodes of one run say and show; it has to fit into one message, however it is spelled there."""
_LONG: Final = frozenset({"shown", "warning", "node.failed"})
"""Events with as much in them as a node likes."""
_QUALITY: Final = 80

Send = Callable[[Happened | Preview, bytes], None]


class Teller:
    """Tells a server what happens in one run. Safe to use from several threads; leave its block once the run is over.

    Args:
        job: The job, and which of its attempts this is.
        folder: The output folder; files are told within it.
        send: Sends a message and its body.
        previews: Somebody looks at previews.
    """

    def __init__(self, job: str, attempt: int, folder: Path, send: Send, *, previews: bool = False) -> None:
        self._job = job
        self._attempt = attempt
        self._folder = folder
        self._send = send
        self._previews = previews
        self._waiting: list[Occurrence] = []
        self._steps: dict[str, tuple[Progress, float]] = {}
        self._told: dict[str, float] = {}
        self._counts: Counter[str] = Counter()
        self._characters = 0
        self._refused: set[str] = set()
        self._closed = False
        self._changed = Condition()
        self._thread = Thread(target=self._run, name="nodeflow-events", daemon=True)
        self._thread.start()

    def tell(self, event: Event) -> None:
        """Takes an event; it is sent a moment later."""
        with self._changed:
            if isinstance(event, Progress):
                self._step(event)
                return
            if isinstance(event, NodeFinished | NodeFailedEvent):
                self._last_step(event.node)
            found = occurrence(event, self._folder)
            if found is not None:
                self._add(found)

    def say(self, kind: str, data: dict[str, JsonValue]) -> None:
        """Takes something that the engine does not know of."""
        with self._changed:
            self._add(Occurrence(kind=kind, data=data, at=time()))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        with self._changed:
            self._closed = True
            for node in tuple(self._steps):
                self._last_step(node)
            self._changed.notify()
        self._thread.join()

    @property
    def rest(self) -> tuple[Happened, ...]:
        """What is still to be sent when the run is over."""
        return (self._happened(self._waiting),) if self._waiting else ()

    def _add(self, found: Occurrence) -> None:
        excess = self._excess(found)
        if excess in self._refused:
            return
        if excess:
            self._refused.add(excess)
            found = Occurrence(kind="warning", data={"node": "", "message": excess}, at=found.at)
        self._waiting.append(found)
        if len(self._waiting) == 1:  # whoever sends sleeps until there is something, then sends all that gathered
            self._changed.notify()

    def _excess(self, found: Occurrence) -> str:
        """Why an event is not told; empty for one that is."""
        kind, most = found.kind, MOST_WARNINGS if found.kind == "warning" else MOST_EVENTS
        self._counts[kind] += 1
        if self._counts[kind] > most:
            return too_many(kind, most)
        if kind in _LONG:
            self._characters += sum(len(str(value)) for value in found.data.values())
            if self._characters > MOST_CHARACTERS:
                return f"more than {MOST_CHARACTERS:,} characters shown in one run; the rest of them is not told"
        return ""

    def _step(self, event: Progress) -> None:
        before = self._steps.get(event.node)
        if event.preview is None and before is not None:
            event = replace(event, preview=before[0].preview)
        self._steps[event.node] = event, time()
        if before is None:
            self._changed.notify()

    def _last_step(self, node: str) -> None:
        found = self._steps.pop(node, None)
        if found is not None:
            self._add(_progress(*found))
        self._told.pop(node, None)

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._closed or self._waiting or self._steps)
                if self._steps:  # as long as there is nothing else to tell, until the next step may be told
                    self._changed.wait_for(lambda: self._closed or self._waiting, self._until_next_step())
                if self._changed.wait_for(lambda: self._closed, LINGER):
                    return
                events, previews = self._due()
            if events:
                self._send(self._happened(events), b"")
            for step in previews:
                self._show(step)

    def _until_next_step(self) -> float:
        return max(0.0, min(self._told.get(node, 0.0) for node in self._steps) + STEP_SECONDS - monotonic())

    def _due(self) -> tuple[list[Occurrence], list[Progress]]:
        events, self._waiting = self._waiting, []
        now = monotonic()
        due = [node for node in self._steps if now - self._told.get(node, 0.0) >= STEP_SECONDS]
        steps = [self._steps.pop(node) for node in due]
        self._told.update(dict.fromkeys(due, now))
        events += [_progress(*step) for step in steps]
        return events, [step for step, _ in steps if self._previews and step.preview is not None]

    def _happened(self, events: list[Occurrence]) -> Happened:
        return Happened(job=self._job, attempt=self._attempt, events=tuple(events))

    def _show(self, step: Progress) -> None:
        data = jpeg(step.preview)
        if data is not None:
            head = Preview(job=self._job, node=step.node, step=step.step, total=step.total)
            self._send(head, data)


def too_many(kind: str, most: int) -> str:
    """What is said in the place of all that is not told."""
    return f"more than {most:,} events of the kind {kind!r} in one run; the rest of them is not told"


def occurrence(event: Event, folder: Path) -> Occurrence | None:
    """An event as the server keeps it; None for those that it finds out itself."""
    data: Mapping[str, JsonValue]
    match event:
        case RunStarted(total):
            kind, data = "plan", {"total": total}
        case NodeStarted(node):
            kind, data = "node.started", {"node": node}
        case Waiting(node, seconds, reason, tries):
            kind, data = "node.waiting", {"node": node, "seconds": seconds, "reason": reason, "tries": tries}
        case NodeFinished(node, status, seconds, reason):
            kind = "node.finished"
            data = {"node": node, "status": status.value, "seconds": round(seconds, 6), "reason": reason}
        case NodeFailedEvent(node, message, traceback):
            kind, data = "node.failed", {"node": node, "message": message, "traceback": traceback}
        case Warned(node, message):
            kind, data = "warning", {"node": node, "message": message}
        case Saved(node, path, unchanged):
            kind, data = "saved", {"node": node, "path": within(folder, Path(path)), "unchanged": unchanged}
        case Shown(node, value):
            known = finite(plain(value))
            kind, data = "shown", {"node": node, "value": known}
            if known is None:
                data["text"] = described(value)
        case _:
            return None
    return Occurrence(kind=kind, data=data, at=time())


def within(folder: Path, path: Path) -> str:
    """The path of a file within the output folder; its name where it is elsewhere."""
    return path.relative_to(folder).as_posix() if path.is_relative_to(folder) else path.name


def jpeg(preview: object) -> bytes | None:
    """The first picture of a preview; None where there is none."""
    image = image_of(preview)
    if image is None:
        return None
    from PIL.Image import fromarray

    from nodeflow.diffusion.images import to_uint8

    stream = BytesIO()
    fromarray(to_uint8(image)[0][..., :3]).save(stream, "JPEG", quality=_QUALITY)
    return stream.getvalue()


def _progress(event: Progress, at: float) -> Occurrence:
    data: dict[str, JsonValue] = {"node": event.node, "step": event.step, "total": event.total}
    return Occurrence(kind="node.progress", data=data, at=at)
