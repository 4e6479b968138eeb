"""Standard output kept for results, whatever else is printed meanwhile."""

import ctypes
import os
import sys
from collections.abc import Generator
from contextlib import contextmanager, redirect_stdout, suppress
from typing import BinaryIO


@contextmanager
def reserved_stdout() -> Generator[BinaryIO]:
    """The real standard output, for this command alone.

    Until the end, what packs, libraries and child processes print goes to standard error, also when they write to
    file descriptor 1 without asking Python.
    """
    sys.stdout.flush()
    kept = _duplicate(1)
    away = _duplicate(2)
    try:
        os.dup2(away, 1)
        with open(os.dup(kept), "wb") as out, redirect_stdout(sys.stderr):  # noqa: PTH123 - a descriptor has no path
            yield out
    finally:
        sys.stdout.flush()
        _flush_c()
        os.dup2(kept, 1)
        os.close(kept)
        os.close(away)


def _flush_c() -> None:
    """Let go of what C code has printed: it waits in a buffer of the C library, which knows nothing of ours."""
    with suppress(OSError, TypeError, AttributeError):  # where there is no such library to ask, nothing waits in it
        ctypes.CDLL(None).fflush(None)


def _duplicate(descriptor: int) -> int:
    try:
        return os.dup(descriptor)
    except OSError:  # closed by whoever started us
        return os.open(os.devnull, os.O_WRONLY)
