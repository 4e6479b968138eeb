"""Limits that a process sets itself before it reads a file it does not trust; none can be raised again."""

import ctypes
import sys
from pathlib import Path

if sys.platform != "win32":
    import resource

_NEW_NETWORK, _NEW_USER = 0x40000000, 0x10000000
_PAGE = 4096
_ROOM = 2**30
_SECONDS, _BYTES_PER_SECOND = 120, 20 * 2**20
_FILES = 256


def confine(size: int) -> None:
    """Limits computing time and written bytes to what a file of `size` bytes may need; no network where that is easy.

    Has to come before threads are started.
    """
    if sys.platform == "win32":
        return
    _leave_the_network()
    _limit(resource.RLIMIT_CPU, _SECONDS + size // _BYTES_PER_SECOND)
    _limit(resource.RLIMIT_FSIZE, 2 * size + _ROOM)
    _limit(resource.RLIMIT_CORE, 0)
    _limit(resource.RLIMIT_NOFILE, _FILES)


def limit_memory(size: int) -> None:
    """Limits memory to what is in use now and what a file of `size` bytes may need; comes after the imports."""
    if sys.platform == "linux":
        used = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0]) * _PAGE
        _limit(resource.RLIMIT_AS, used + 3 * size + _ROOM)


def _limit(what: int, value: int) -> None:
    _, hard = resource.getrlimit(what)
    if hard != resource.RLIM_INFINITY:
        value = min(value, hard)
    resource.setrlimit(what, (value, value))


def _leave_the_network() -> None:
    """Moves into a network without any interface; where the system does not let it, the other limits must do."""
    unshare = getattr(ctypes.CDLL(None, use_errno=True), "unshare", None)
    if unshare is not None and unshare(_NEW_NETWORK) != 0:
        unshare(_NEW_USER | _NEW_NETWORK)
