"""Remembering what nodes gave: where, and for how much of a price to compute it again."""

from nodeflow.engine.board import Board, Outputs
from nodeflow.engine.cache import Entry
from nodeflow.engine.calls import NodeCall
from nodeflow.engine.itemcalls import ItemCalls
from nodeflow.engine.outside import Outside
from nodeflow.engine.tiers import Tiers


class Keeper:
    """Keeps the results of one run.

    Attributes:
        some: Something was computed that may be remembered.
    """

    def __init__(self, board: Board, tiers: Tiers, outside: Outside) -> None:
        self.some = False
        self._board = board
        self._tiers = tiers
        self._outside = outside

    def keep(self, call: NodeCall, outputs: Outputs) -> None:
        """Remember what came out.

        What the run is for is worth all that was done for it, so that a finished graph computes nothing again;
        anything else only what no file would spare.
        """
        self.some = True
        board, index, log, type = self._board, call.index, call.log, call.type
        key = board.keys[index]
        assert key is not None
        if index not in board.volatile:
            total = board.totals[index]
            said = ((), ()) if log is None else (tuple(log.warnings), tuple(log.shown))
            entry = Entry(outputs, call.seconds, total, type.spec.id, *said)
            entry.cost = board.costs[index]
            if type.external:
                self._outside.keep(key, entry)
            elif board.in_memory and index in board.in_memory:
                self._tiers.memory.put(key, entry)
            else:
                self._tiers.keep(key, entry, total if index in board.final else entry.cost)
            board.costs[index] = entry.cost
        if type.cached:
            self._tiers.give_back(key)

    def keep_items(self, call: ItemCalls) -> None:
        """An external node has ended before all of its items were done: remember those that were."""
        index, answers = call.index, call.answers()
        if answers and index not in self._board.volatile:
            key = self._board.keys[index]
            assert key is not None
            self._outside.keep_items(key, answers, call.seconds / len(answers), call.type.spec.id)
