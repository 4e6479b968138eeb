"""Whether files are still what they were: told by their status where that can be trusted, else by what is in them."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import time_ns

_GRAIN_NS = 2_000_000_000
"""The coarsest clock among file systems: what changed this lately may change once more and look the same."""


@dataclass(frozen=True, slots=True)
class Seen:
    """Files as they were when somebody looked.

    Attributes:
        stamp: Of their names, sizes and times of change; empty when they had changed so lately that a stamp proves
            nothing.
        digest: Of their names and contents; where they lie is not in it.
    """

    stamp: str
    digest: str


def see(files: Sequence[Path], top: Path, known: Seen | None = None) -> Seen:
    """Look at files; they are read only when ``known`` does not vouch for them.

    Args:
        files: In a fixed order.
        top: The folder from which their names count.
    """
    stamp, settled = _look(files, "")
    if known is not None and known.stamp == stamp:
        return known
    return Seen(stamp if settled else "", _digest(files, top))


def stamp_of(files: Iterable[Path], salt: str = "") -> str:
    """A digest of names, sizes and times of change, which changes when a file has changed long enough ago."""
    return _look(files, salt)[0]


def _look(files: Iterable[Path], salt: str) -> tuple[str, bool]:
    """The stamp, and whether a later change would show in it."""
    digest = hashlib.sha256(salt.encode())
    latest = 0
    for file in files:
        try:
            status = file.stat()
        except OSError:
            digest.update(f"{file}\0gone\n".encode())
        else:
            # A tool may set the time of the contents as it likes; the time of the entry and its number betray it.
            times = f"{status.st_mtime_ns}\0{status.st_ctime_ns}\0{status.st_ino}"
            digest.update(f"{file}\0{status.st_size}\0{times}\n".encode())
            latest = max(latest, status.st_mtime_ns, status.st_ctime_ns)
    return digest.hexdigest(), latest + _GRAIN_NS < time_ns()


def _digest(files: Iterable[Path], top: Path) -> str:
    digest = hashlib.sha256()
    for file in files:
        digest.update(f"{file.relative_to(top).as_posix()}\0".encode())
        try:
            content = file.read_bytes()
        except OSError:
            digest.update(b"unreadable\n")
        else:
            digest.update(f"{len(content)}\n".encode())
            digest.update(content)
    return digest.hexdigest()
