"""A run in its own thread, seen from outside as an iterator of what happens."""

from collections.abc import Callable, Iterator, Mapping
from queue import SimpleQueue
from threading import Thread
from typing import Self

from nodeflow.core.errors import Cancelled, Problem
from nodeflow.core.json import JsonValue
from nodeflow.engine.events import Event
from nodeflow.engine.runtime import Cancel
from nodeflow.session.results import Result

Work = Callable[[Callable[[Event], None], Cancel], Result]


class Running(Iterator[Event]):
    """Iterate to follow the run; ``result()`` waits for its end.

    The thread makes it work inside a running asyncio loop (Jupyter), keeps events in the caller's thread, and leaves
    Ctrl-C to the caller, who answers with ``cancel()``.

    Attributes:
        problems: What the check of the document had to say, none of which stops the run.
        drawn: What its draws gave, by ``node.input``, or by the name under which a draw was given.
    """

    def __init__(
        self, work: Work, problems: tuple[Problem, ...] = (), drawn: Mapping[str, JsonValue] | None = None
    ) -> None:
        self.problems = problems
        self.drawn: Mapping[str, JsonValue] = drawn or {}
        self._work = work
        self._cancel = Cancel()
        self._events: SimpleQueue[Event | None] = SimpleQueue()
        self._result: Result | None = None
        self._error: BaseException | None = None
        self._thread = Thread(target=self._run, name="nodeflow-run", daemon=True)
        self._thread.start()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Event:
        event = self._events.get()
        if event is None:
            self._events.put(None)  # so that asking again ends again
            raise StopIteration
        return event

    def cancel(self) -> None:
        """Ask the run to stop; it does so within one step."""
        self._cancel.request()

    def outcome(self) -> Result:
        """Wait for the end and tell how it went, failures included.

        Raises:
            NodeflowError: The run could not be carried out at all.
        """
        for _ in self:
            continue
        self._thread.join()
        if self._error is not None:
            raise self._error
        assert self._result is not None, "a run ends with a result or an error"
        return self._result

    def result(self) -> Result:
        """Wait for the end.

        Raises:
            NodeFailed: The first failure; further ones are its notes.
            Cancelled: The run was cancelled.
        """
        result = self.outcome()
        if result.failures:
            first, *others = result.failures
            for other in others:
                first.add_note(f"also failed: {other}")
            raise first
        if result.cancelled:
            raise Cancelled("the run was cancelled")
        return result

    def _run(self) -> None:
        try:
            self._result = self._work(self._events.put, self._cancel)
        except BaseException as error:  # noqa: BLE001 - handed to whoever waits, in their thread
            self._error = error
        finally:
            self._events.put(None)
