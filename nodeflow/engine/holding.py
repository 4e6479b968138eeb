"""What one run knows of blocked values; as long as there are none, nothing is looked for."""

from collections.abc import Iterable, Mapping

from nodeflow.core.blocked import Blocked
from nodeflow.engine.blocking import blocked_in, first_blocked, first_blocked_whole, reason_in
from nodeflow.engine.board import Board, Outputs
from nodeflow.engine.calls import NodeCall


class Holding:
    """Finds out which nodes cannot run, and what to say of them.

    Attributes:
        some: A node has given something blocked.
    """

    def __init__(self, board: Board) -> None:
        self.some = False
        self._board = board

    def back(self, index: int, arguments: Mapping[str, object]) -> Blocked | None:
        """What keeps a node from running."""
        if not self.some or self._board.types[index].gathers:
            return None
        if self._board.nodes[index].depth:
            return first_blocked_whole(arguments, self._board.depths(index))
        return first_blocked(arguments.values())

    def back_item(self, values: Iterable[object]) -> Blocked | None:
        """What keeps one item from being done."""
        return first_blocked(values) if self.some else None

    def told(self, outputs: Outputs) -> str:
        """What to say of a node whose outputs were made before; empty when none is blocked."""
        return reason_in(outputs) if self.some else ""

    def found(self, call: NodeCall, outputs: Outputs) -> str:
        """What to say of a node that has just been called; empty when nothing is blocked."""
        reason = call.held_back()
        for value in () if reason else outputs:
            kind = type(value)
            if kind is Blocked or (kind is list and blocked_in(value)):
                reason = reason_in(outputs)
                break
        if reason:
            self.some = True
        return reason
