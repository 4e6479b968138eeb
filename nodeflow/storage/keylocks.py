"""Which process computes a key: locks that vanish with the process that holds them."""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from threading import Lock

if sys.platform != "win32":
    import fcntl

_OFFSET_BYTES = 7
"""Bytes of a key that choose its place in the lock file; the file itself stays empty."""


class KeyLocks:
    """One byte of one file stands for each key; the kernel frees it when its process ends, however it ends.

    Locks are between processes, not within one. Where they do not exist (on Windows, on a read-only disk) everybody
    gets the right to compute: then a key may be computed twice, with the same result.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: int | None = None
        self._opening = Lock()

    def take(self, key: bytes) -> Callable[[], None] | None:
        """How to give the lock of ``key`` back, or None while another process has it."""
        if sys.platform == "win32":
            return _nothing
        file = self._open()
        if file is None:
            return _nothing
        place = int.from_bytes(key[:_OFFSET_BYTES], "big")
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, place)
        except (BlockingIOError, PermissionError):
            return None
        except OSError:
            return _nothing
        return lambda: fcntl.lockf(file, fcntl.LOCK_UN, 1, place)

    def close(self) -> None:
        """Give back the file, and with it every lock."""
        file, self._file = self._file, None
        if file is not None:
            os.close(file)

    def _open(self) -> int | None:
        with self._opening:
            if self._file is None:
                try:
                    self._path.parent.mkdir(parents=True, exist_ok=True)
                    self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
                except OSError:
                    return None
            return self._file


def _nothing() -> None:
    """There is nothing to give back."""
