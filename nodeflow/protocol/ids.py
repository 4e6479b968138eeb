"""Ids of jobs, outputs and all else that a server keeps: ULIDs in lower case, in the order in which they were made."""

import secrets
import threading
import time
from collections.abc import Callable
from typing import Final

_ALPHABET: Final = "0123456789abcdefghjkmnpqrstvwxyz"
_PAIRS: Final = tuple(high + low for high in _ALPHABET for low in _ALPHABET)
_RANDOM_BITS: Final = 80


class Ids:
    """Makes ids that only grow, whatever the clock does.

    48 bits of milliseconds since 1970 and 80 random ones; within a millisecond, or when the clock is set back, the id
    is the last one plus one.

    Args:
        clock: Seconds since 1970.
    """

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._last = 0
        self._lock = threading.Lock()

    def __call__(self) -> str:
        """The next id."""
        moment = int(self._clock() * 1000) << _RANDOM_BITS
        with self._lock:
            number = self._last + 1 if moment <= self._last else moment | secrets.randbits(_RANDOM_BITS)
            self._last = number
        return "".join([_PAIRS[(number >> shift) & 1023] for shift in range(120, -1, -10)])


new_id: Final = Ids()
"""The next id of this process."""
