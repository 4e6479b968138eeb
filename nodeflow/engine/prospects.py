"""What can be foreseen of external nodes: whether an answer still holds, and until when."""

from collections.abc import Callable
from os import urandom

from nodeflow.core.spec import Scope
from nodeflow.engine.board import Board
from nodeflow.engine.cache import Entry
from nodeflow.engine.keys import KEY_BYTES
from nodeflow.engine.outside import Refresh, Stamp, answer_key, reach, stamp_key

_UNITS = (("d", 86_400.0), ("h", 3600.0), ("min", 60.0))
_FROM = 2
"""A unit is used from twice its length on: 119 s, then 2 min."""


class Prospects:
    """Looks stamps up and asks nobody.

    Args:
        find: What is remembered under a key.

    Attributes:
        remarks: What is to be said of external nodes, by index.
    """

    def __init__(self, find: Callable[[bytes], Entry | None], clock: Callable[[], float], refresh: Refresh) -> None:
        self.remarks: dict[int, str] = {}
        self._find = find
        self._clock = clock
        self._refresh = refresh

    def key(self, board: Board, index: int, base: bytes) -> bytes:
        """The key of an external node: that of an answer which still holds, else one that nothing is kept under."""
        node = board.nodes[index]
        age = node.spec.age
        scope = reach(board, index)
        if not board.types[index].remembered:
            self.remarks[index] = "it depends on the world outside, so it always runs"
        elif self._refresh.wants(node.id):
            self.remarks[index] = "it is to be refreshed"
        elif scope is Scope.RUN:
            self.remarks[index] = "it depends on the world outside and is remembered within one run only"
        elif (found := self._find(stamp_key(base))) is not None:
            stamp = Stamp.of(found)
            left = stamp.left(age, self._clock())
            key = answer_key(base, stamp.nonce)
            if left <= 0:
                self.remarks[index] = f"its result is older than {duration(age)}"
            elif self._find(key) is not None:
                self.remarks[index] = f"remembered for another {duration(left)}"
                return key
        return urandom(KEY_BYTES)


def duration(seconds: float) -> str:
    """A length of time in the largest unit that it fills at least twice."""
    for unit, length in _UNITS:
        if seconds >= _FROM * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} s" if seconds >= _FROM else f"{seconds:.1f} s"
