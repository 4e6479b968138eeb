"""What happened in a run: told to the listener at once, and kept for the result."""

from collections.abc import Sequence
from time import perf_counter

from nodeflow.core.blocked import Blocked
from nodeflow.core.errors import NodeFailed
from nodeflow.engine.blocking import reason_in, without_blocked
from nodeflow.engine.board import Board, Place
from nodeflow.engine.cache import Entry
from nodeflow.engine.events import NodeFailedEvent, NodeFinished, RunFinished, Shown, Status
from nodeflow.engine.noderun import NodeLog, RunContext
from nodeflow.engine.results import RunResult
from nodeflow.engine.runtime import Constant


class Ledger:
    """Collects how nodes ended."""

    def __init__(self, context: RunContext, board: Board) -> None:
        self.failures: list[NodeFailed] = []
        self._context = context
        self._board = board
        self._started = perf_counter()
        self._saved: dict[str, tuple[str, ...]] = {}
        self._shown: dict[str, tuple[object, ...]] = {}
        self._blocked: dict[str, str] = {}

    def ended(self, index: int, id: str, status: Status, seconds: float = 0.0, reason: str = "") -> None:
        """A node has its outputs, or is known to do without; ``reason`` tells what is held back."""
        board = self._board
        board.status[index] = status
        if status is Status.RAN:
            board.seconds[index] = seconds
        if reason:
            reason = self._blocked[id] = self._context.vault.scrub(reason)
        self._context.emit(NodeFinished(id, status, seconds, reason))

    def failed(self, index: int, failure: NodeFailed) -> None:
        """A node has failed."""
        self.failures.append(failure)
        self._board.status[index] = Status.FAILED
        self._context.emit(NodeFailedEvent(failure.node, failure.message, failure.traceback))

    def note(self, id: str, log: NodeLog) -> None:
        """Keep what a node wrote and showed."""
        if log.saved:
            self._saved[id] = tuple(log.saved)
        if shown := log.shown:
            self._shown[id] = tuple(shown)

    def repeat(self, id: str, entry: Entry) -> None:
        """A remembered result says and shows again what it said and showed when it was computed."""
        for message in entry.warnings:
            self._context.warn(id, message)
        if entry.shown:
            self._shown[id] = entry.shown
        for value in entry.shown:
            self._context.emit(Shown(id, value))

    def finish(self, wanted: Sequence[Place], cancelled: bool, blocked: bool) -> RunResult:
        """Tell the end, and sum up; ``blocked`` when some value was, which keeps it out of the results."""
        self._context.emit(RunFinished(perf_counter() - self._started, len(self.failures), cancelled))
        board = self._board
        ids = [node.id for node in board.nodes]
        values = _values(board, wanted)
        withheld = self._withheld(values) if blocked else {}
        return RunResult(
            values=values,
            withheld=withheld,
            blocked=self._blocked,
            failures=tuple(self.failures),
            warnings=tuple(self._context.warnings),
            saved=self._saved,
            shown=self._shown,
            status=dict(zip(ids, board.status, strict=True)),
            seconds={id: seconds for id, seconds in zip(ids, board.seconds, strict=True) if seconds >= 0},
            cancelled=cancelled,
            keys={id: key for id, key in zip(ids, board.keys, strict=True) if key is not None},
        )

    def _withheld(self, values: dict[tuple[str, str], object]) -> dict[tuple[str, str], str]:
        """Take what is blocked out of ``values``, and tell why."""
        reasons: dict[tuple[str, str], str] = {}
        for name, value in [*values.items()]:
            if reason := reason_in([value]):
                reasons[name] = self._context.vault.scrub(reason)
                values[name] = without_blocked(value)
                if isinstance(value, Blocked):
                    del values[name]
        return reasons


def _values(board: Board, wanted: Sequence[Place]) -> dict[tuple[str, str], object]:
    values: dict[tuple[str, str], object] = {}
    for place in wanted:
        found = board.resolve(place) if board.aliases else place
        name = board.nodes[place[0]].id, place[1]
        if isinstance(found, Constant):
            values[name] = found.value
        elif place[1] and (outputs := board.values[found[0]]) is not None:
            values[name] = outputs[board.types[found[0]].position[found[1]]]
    return values
