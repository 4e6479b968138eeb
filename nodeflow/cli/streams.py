"""Standard output kept for results, whatever else is printed meanwhile."""

import os
import sys
from collections.abc import Generator
from contextlib import contextmanager, redirect_stdout
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
        os.dup2(kept, 1)
        os.close(kept)
        os.close(away)


def _duplicate(descriptor: int) -> int:
    try:
        return os.dup(descriptor)
    except OSError:  # closed by whoever started us
        return os.open(os.devnull, os.O_WRONLY)
