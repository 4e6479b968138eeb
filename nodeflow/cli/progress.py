"""Progress of a run on standard error: a bar per sampling step on a terminal, plain lines elsewhere."""

import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from textwrap import indent
from typing import TYPE_CHECKING, Protocol, Self, TextIO, TypeVar

from nodeflow.engine.events import Event, NodeFinished, Progress, Saved, Shown, Status, Waiting, Warned
from nodeflow.session.results import described

if TYPE_CHECKING:
    from rich.progress import Progress as Bars
    from rich.progress import TaskID

INTERRUPTED = 130
T_co = TypeVar("T_co", covariant=True)


class Followed(Protocol[T_co]):
    """A run that goes on, here or on a server."""

    def __iter__(self) -> Iterator[Event]:
        """What happens, from where the last iteration ended."""
        ...

    def cancel(self) -> None:
        """Ask it to stop; it does so within one step."""
        ...

    def outcome(self) -> T_co:
        """Wait for the end and tell how it went."""
        ...


class Display(Protocol):
    """Something that shows events while a run goes on."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *exc: object) -> None: ...

    def show(self, event: Event) -> None:
        """Show one event."""
        ...


def display(stream: TextIO) -> Display:
    """Bars where ``stream`` is a terminal, else lines."""
    return BarDisplay() if stream.isatty() else LineDisplay(stream)


def follow(running: Followed[T_co], stream: TextIO) -> T_co:
    """Shows a run until its end; the first Ctrl-C asks it to stop, the second ends the process at once."""
    interrupted = asked = False
    with display(stream) as shown:
        while True:
            try:
                if interrupted and not asked:
                    asked = True
                    running.cancel()
                    print("stopping after this step; once more to stop at once", file=stream, flush=True)
                for event in running:
                    shown.show(event)
                return running.outcome()
            except KeyboardInterrupt:  # nothing is done here, where another one would not be caught
                if interrupted:
                    shown.__exit__(None, None, None)  # gives the terminal its cursor back
                    os._exit(INTERRUPTED)
                interrupted = True


def text_of(event: Event) -> str | None:
    """What is said about an event in one line, or None where a line would be noise."""
    match event:
        case Warned(node, message):
            return f"warning: {node + ': ' if node else ''}{message}"
        case Waiting(node, seconds, reason):
            return f"{node}: waits {seconds:g} s to be called again{': ' if reason else ''}{reason}"
        case Saved(node, path, unchanged):
            return f"{node}: {path} is unchanged" if unchanged else f"{node}: wrote {path}"
        case Shown(node, value):
            return _shown(node, value)
        case NodeFinished(node, Status.SKIPPED, _, reason) if reason:
            return f"{node}: did not run: {reason}"
        case _:  # failures are told once, at the end
            return None


def _shown(node: str, value: object) -> str | None:
    """A text of several lines stands below the name of its node."""
    text = described(value)
    if text is None or "\n" not in text:
        return None if text is None else f"{node}: {text}"
    return f"{node}:\n{indent(text, '  ')}"


class LineDisplay:
    """One line per thing worth knowing; steps are summed up when their node has finished."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._steps: dict[str, int] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        return None

    def show(self, event: Event) -> None:
        """Print the line of an event, if it has one."""
        match event:
            case Progress(node, step):
                self._steps[node] = step
            case NodeFinished(node, _, seconds) if steps := self._steps.pop(node, 0):
                print(f"{node}: {steps} steps in {seconds:.1f} s", file=self._stream, flush=True)
            case _:
                if text := text_of(event):
                    print(text, file=self._stream, flush=True)


class BarDisplay:
    """A bar for every node that reports steps."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._bars: Bars | None = None
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> Self:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
        from rich.progress import Progress as Bars

        columns = (
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
        )
        self._bars = self._stack.enter_context(Bars(*columns, console=Console(file=sys.stderr)))
        return self

    def __exit__(self, *exc: object) -> None:
        self._stack.close()

    def show(self, event: Event) -> None:
        """Move the node's bar, or print the event's line above the bars."""
        assert self._bars is not None, "the display is entered first"
        match event:
            case Progress(node, step, total):
                if node not in self._tasks:
                    self._tasks[node] = self._bars.add_task(node, total=total)
                self._bars.update(self._tasks[node], completed=step, total=total)
            case NodeFinished(node) if (task := self._tasks.pop(node, None)) is not None:
                self._bars.stop_task(task)
            case _:
                if text := text_of(event):
                    self._bars.console.print(text, markup=False, highlight=False, soft_wrap=True)
