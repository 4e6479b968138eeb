"""A lock that processes and threads share by the name of a file; it ends with whoever holds it."""

import os
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

_PAUSE = 0.005


@contextmanager
def exclusive(place: Path, patience: float) -> Generator[None]:
    """One at a time is inside.

    Args:
        place: The file that stands for the lock; it is made, with the folders above it, and stays empty.
        patience: Seconds to wait for whoever is inside.

    Raises:
        TimeoutError: Somebody stayed inside for longer.
        OSError: The file cannot be made or locked.
    """
    place.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(place, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o600)
    try:
        _wait(descriptor, time.monotonic() + patience)
        yield
    finally:
        os.close(descriptor)  # which also lets go


def _wait(descriptor: int, deadline: float) -> None:
    while not _taken(descriptor):
        if time.monotonic() > deadline:
            raise TimeoutError("another process has held the lock for too long")
        time.sleep(_PAUSE)


def _taken(descriptor: int) -> bool:
    try:
        if sys.platform == "win32":
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        else:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    return True
