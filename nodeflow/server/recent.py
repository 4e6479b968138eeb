"""The latest events of all jobs, so that those who keep up are served from memory."""

from collections import deque
from collections.abc import Sequence
from itertools import islice
from typing import Final

from nodeflow.server.news import Told

MOST: Final = 4096
MOST_BYTES: Final = 16 * 2**20


class Recent:
    """At most ``most`` events, of so many bytes. Of each job there are no gaps, and the last is the last there is."""

    def __init__(self, most: int = MOST, most_bytes: int = MOST_BYTES) -> None:
        self._most = most
        self._most_bytes = most_bytes
        self._bytes = 0
        self._all: deque[Told] = deque()
        self._jobs: dict[str, deque[Told]] = {}

    def __len__(self) -> int:
        return len(self._all)

    def add(self, told: Told) -> None:
        """Keeps an event. One that comes late is left out: the disk has it, and who misses it will look there."""
        known = self._jobs.get(told.event.job)
        if known and told.event.seq <= known[-1].event.seq:
            return
        if not known or told.event.seq > known[-1].event.seq + 1:
            known = self._jobs[told.event.job] = deque()
        known.append(told)
        self._all.append(told)
        self._bytes += len(told.line)
        while len(self._all) > self._most or self._bytes > self._most_bytes:
            self._forget(self._all.popleft())

    def drop(self, job: str) -> None:
        """Knows nothing of a job any more, since what is here of it would not be all there is."""
        self._jobs.pop(job, None)

    def after(self, job: str, seq: int, limit: int) -> Sequence[Told] | None:
        """What follows ``seq``, at most ``limit`` events; None when only the disk can tell."""
        known = self._jobs.get(job)
        if not known or seq + 1 < known[0].event.seq:
            return None
        start = seq + 1 - known[0].event.seq
        return tuple(islice(known, start, start + limit))

    def _forget(self, told: Told) -> None:
        self._bytes -= len(told.line)
        known = self._jobs.get(told.event.job)
        if known and known[0] is told:
            known.popleft()
            if not known:
                del self._jobs[told.event.job]
