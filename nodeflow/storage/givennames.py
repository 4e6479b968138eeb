"""Which names were given in an output folder, also to files that are gone, and to which content."""

import os
import sys
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

if sys.platform != "win32":
    import fcntl

FILE = ".nodeflow-names"
"""One line per file written: the sha256 of its content, a space, its name. Deleting it forgets what is gone."""

_PATIENCE = 1.0
"""Seconds to wait for a process that is just giving a name; it was stopped in the middle of that if it takes longer."""
_DIGEST = 64
_FLAGS = os.O_RDWR | os.O_CREAT | os.O_APPEND | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)


@dataclass(frozen=True, slots=True)
class GivenNames:
    """What the register of one folder says; without a file it is empty and forgets what it is told.

    Attributes:
        digests: Digest of the content by name.
    """

    digests: Mapping[str, str] = field(default_factory=dict[str, str])
    _descriptor: int | None = None

    def add(self, name: str, digest: str) -> None:
        """Remember a name; a disk that takes no more costs only that."""
        if self._descriptor is not None and self.digests.get(name) != digest:
            # The line break comes first, so that a line cut off by a crash does not spoil the next one.
            with suppress(OSError):
                os.write(self._descriptor, b"\n" + digest.encode() + b" " + os.fsencode(name))


@contextmanager
def given_names(folder: Path) -> Generator[GivenNames]:
    """The register of a folder, held so that other processes wait with giving names.

    Names are taken by exclusive creation, so nothing is lost where the register cannot be written or held (a read-only
    folder, some network disks): then a file that comes back merely gets a new number.
    """
    try:
        descriptor = os.open(folder / FILE, _FLAGS, 0o666)
    except OSError:
        yield GivenNames()
        return
    try:
        _hold(descriptor)
        yield GivenNames(_read(descriptor), descriptor)
    finally:
        os.close(descriptor)  # which also lets go


def _hold(descriptor: int) -> None:
    if sys.platform == "win32":
        return
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(0.005)
        except OSError:
            return
        else:
            return


def _read(descriptor: int) -> Mapping[str, str]:
    lines = _content(descriptor).split(b"\n")
    return {
        os.fsdecode(line[_DIGEST + 1 :]): line[:_DIGEST].decode("latin-1")
        for line in lines
        if line[_DIGEST : _DIGEST + 1] == b" "
    }


def _content(descriptor: int) -> bytes:
    try:
        with open(descriptor, "rb", closefd=False) as file:
            return file.read()
    except OSError:
        return b""
