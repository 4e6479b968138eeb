"""Telling a lack of memory from other errors, and giving back what frameworks keep."""

import ctypes
import errno
import gc
import os
import re
import sys
from collections.abc import Iterator

from nodeflow.core.raised import words_of

_WORDS = re.compile(
    r"out of memory|can't allocate memory|cannot allocate memory|not enough memory|bad_alloc|alloc_failed"
    r"|unable to allocate|failed to allocate|failed to map segment",
    re.IGNORECASE,
)


_M_ARENA_MAX = -8
"""Of glibc's malloc.h."""


def is_out_of_memory(error: BaseException) -> bool:
    """Whether ``error``, or what it was raised from, says that memory ran out, on the host or on a device.

    Libraries say so in different ways: MemoryError, ``torch.OutOfMemoryError``, a RuntimeError of an allocator, an
    OSError of a memory map. torch is not imported for this.
    """
    return any(_is_lack(each) for each in _chain(error))


def _is_lack(error: BaseException) -> bool:
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    if isinstance(error, OSError) and error.errno == errno.ENOMEM:
        return True
    # safetensors and torch raise errors of their own that are no subclass of a common one.
    return isinstance(error, Exception) and _WORDS.search(words_of(error)) is not None


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        yield current
        current = current.__cause__ or current.__context__


def keep_one_arena() -> None:
    """Has the C library serve all threads of this process from one heap; for a process that is nodeflow's own.

    With glibc's heap for every thread, small pieces in use lie scattered over more pages, which can then not be given
    back: a process that loads and drops networks for hours grows by some percent. Call it before threads are started.
    """
    settle = getattr(_c_library(), "mallopt", None)
    if settle is not None:
        settle(_M_ARENA_MAX, 1)


def release_memory() -> None:
    """Collects garbage, and gives back what allocators keep: the C library's, and a device's where torch is in use."""
    gc.collect()
    trim = getattr(_c_library(), "malloc_trim", None)  # of glibc only
    if trim is not None:
        trim(0)
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        torch.cuda.empty_cache()


def _c_library() -> ctypes.CDLL | None:
    return ctypes.CDLL(None) if os.name == "posix" else None
