"""How often results are asked for again, kind by kind: what was never of use is worth little, however long it took."""

_MOST_GONE = 4096
_CAME_BACK = 0.5
"""What came back once is as likely as not to do so again, whatever its kind does."""


class Demand:
    """What is known about the results that a cache kept.

    A kind, such as the type of the nodes that gave them, has a share of results that were asked for again. Results
    that had to go count as well: asked for again, they come back. Counts may be off by a few where threads meet.
    """

    def __init__(self) -> None:
        self._kept: dict[str, int] = {}
        self._again: dict[str, int] = {}
        self._gone: dict[bytes, bool] = {}

    def likelihood(self, key: bytes, kind: str) -> float:
        """That a result which is about to be kept is asked for again; 1 as long as nothing is known of its kind."""
        share = (1 + self._again.get(kind, 0)) / (1 + self._kept.get(kind, 0))
        return max(share, _CAME_BACK) if key in self._gone else share

    def came(self, key: bytes, kind: str) -> bool:
        """A result is kept; tells whether it was asked for before, as one is that had to go and came back."""
        asked = self._gone.pop(key, None)
        if asked is None:
            self._kept[kind] = self._kept.get(kind, 0) + 1
            return False
        if not asked:
            self.asked_again(kind)
        return True

    def asked_again(self, kind: str) -> None:
        """A result was asked for, for the first time since it was kept."""
        self._again[kind] = self._again.get(kind, 0) + 1

    def went(self, key: bytes, *, asked: bool) -> None:
        """A result made room for others; ``asked`` says whether it was ever asked for again."""
        self._gone[key] = asked
        if len(self._gone) > _MOST_GONE:
            del self._gone[next(iter(self._gone))]
