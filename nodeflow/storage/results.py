"""Results on the disk: one verified file per key, shared by any number of processes without an index."""

import errno
import os
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from nodeflow.core.stored import Stored
from nodeflow.storage.keylocks import KeyLocks
from nodeflow.storage.resultfile import DamagedFile, pack_records, pack_result, unpack_records, unpack_result

_SUFFIX = ".result"
_UNFINISHED = ".part"
_RECORDS_KEPT = 16
_STALE_SECONDS = 3600.0
_SETTLED_NS = 50_000_000
_KEEP_SHARE = 0.9
_RECOUNT_EVERY = 64


class DiskResults:
    """A folder of results, at most ``budget`` bytes of them, the longest unused deleted first.

    A result is written under a temporary name, brought to the disk, and renamed: it is there whole or not at all.
    Every read verifies the whole file; a bad one is deleted and counts as missing. A disk that cannot be written
    to is said once and then left alone. The folder itself is not synced after a rename: losing a file to a power
    cut costs a computation, never a wrong result.
    """

    def __init__(self, folder: Path, budget: int) -> None:
        self.folder = folder
        self.budget = budget
        self._locks = KeyLocks(folder / "locks")
        self._warnings: list[str] = []
        self._writable = True
        self._nbytes: int | None = None
        self._writes = 0
        self._listed: frozenset[bytes] = frozenset()
        self._listed_at: tuple[int, bool] | None = None

    def known(self) -> Collection[bytes]:
        """Keys of the files that are there, listed again only when the folder has changed."""
        try:
            changed = self.folder.stat().st_mtime_ns
            if self._listed_at != (changed, True):
                # Within the clock's grain a later change leaves the same time, so a fresh list is not trusted.
                settled = time.time_ns() - changed > _SETTLED_NS
                names = (path.name for path in self.folder.iterdir() if path.suffix == _SUFFIX)
                self._listed = frozenset(key for name in names if (key := _key_of(name)) is not None)
                self._listed_at = (changed, settled)
        except OSError:
            return frozenset()
        return self._listed

    def read(self, key: bytes) -> Stored | None:
        """The result kept under ``key``; a damaged file is deleted."""
        path = self._path(key)
        try:
            data = path.read_bytes()
            stored = unpack_result(key, data)
        except OSError:
            return None
        except DamagedFile:
            self.forget(key)
            return None
        with suppress(OSError):
            os.utime(path)
        return stored

    def write(self, key: bytes, stored: Stored) -> bool:
        """Keep a result if the disk takes it."""
        if not self._writable:
            return False
        parts = pack_result(key, stored)
        nbytes = sum(map(len, parts))
        if nbytes > self.budget:
            return False
        try:
            _write_whole(self._path(key), parts)
        except OSError as error:
            self._give_up(error)
            return False
        self._count(nbytes)
        return True

    def forget(self, key: bytes) -> None:
        """Delete the result kept under ``key``."""
        with suppress(OSError):
            self._path(key).unlink()

    def lock(self, key: bytes) -> Callable[[], None] | None:
        """The right to compute ``key``, among the processes that share the folder."""
        return self._locks.take(key)

    def record(self, records: Mapping[str, bytes]) -> None:
        """Remember the key records of a run; the latest few runs are kept."""
        if not self._writable:
            return
        folder = self.folder / "records"
        name = f"{time.time_ns():020}-{os.getpid()}"
        try:
            _write_whole(folder / name, pack_records([*records.items()]), durable=False)
        except OSError as error:
            self._give_up(error)
            return
        for old in _names(folder)[:-_RECORDS_KEPT]:
            with suppress(OSError):
                (folder / old).unlink()

    def recorded(self) -> Sequence[Mapping[str, bytes]]:
        """The key records of the latest runs, latest first."""
        folder = self.folder / "records"
        found: list[Mapping[str, bytes]] = []
        for name in reversed(_names(folder)):
            with suppress(OSError, DamagedFile, ValueError):
                found.append(unpack_records((folder / name).read_bytes()))
        return found

    def warnings(self) -> Sequence[str]:
        """What was not said yet."""
        said, self._warnings = self._warnings, []
        return said

    def close(self) -> None:
        """Give back the lock file."""
        self._locks.close()

    def _path(self, key: bytes) -> Path:
        return self.folder / f"{key.hex()}{_SUFFIX}"

    def _give_up(self, error: OSError) -> None:
        self._writable = False
        reason = os.strerror(error.errno) if error.errno is not None else str(error)
        hint = "free some space" if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG) else "make it writable"
        self._warnings.append(f"results are not kept on disk: {self.folder}: {reason} → {hint}, or set another home")

    def _count(self, nbytes: int) -> None:
        """Keep the folder below its budget; other processes write too, so it is measured now and then."""
        self._writes += 1
        if self._nbytes is None or self._writes % _RECOUNT_EVERY == 0:
            self._nbytes = sum(size for _, size, _ in self._files())
        else:
            self._nbytes += nbytes
        if self._nbytes > self.budget:
            self._nbytes = self._shrink()

    def _shrink(self) -> int:
        files = sorted(self._files())
        held = sum(size for _, size, _ in files)
        for _, size, path in files:
            if held <= self.budget * _KEEP_SHARE:
                break
            with suppress(OSError):
                path.unlink()
            held -= size
        return held

    def _files(self) -> list[tuple[float, int, Path]]:
        """Time of last use, size and path of every result; files that a killed process left behind are deleted."""
        found: list[tuple[float, int, Path]] = []
        with suppress(OSError), os.scandir(self.folder) as entries:
            for entry in entries:
                with suppress(OSError):
                    status = entry.stat()
                    if entry.name.endswith(_SUFFIX):
                        found.append((status.st_mtime, status.st_size, Path(entry.path)))
                    elif entry.name.endswith(_UNFINISHED) and status.st_mtime < time.time() - _STALE_SECONDS:
                        Path(entry.path).unlink()
        return found


def _write_whole(path: Path, parts: Sequence[bytes | memoryview], *, durable: bool = True) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f"{path.name}-{os.getpid()}-{time.monotonic_ns()}{_UNFINISHED}")
    try:
        with unfinished.open("xb") as file:
            file.writelines(parts)
            file.flush()
            if durable:
                os.fsync(file.fileno())
        unfinished.replace(path)
    except BaseException:
        with suppress(OSError):
            unfinished.unlink()
        raise


def _key_of(name: str) -> bytes | None:
    with suppress(ValueError):
        return bytes.fromhex(name.removesuffix(_SUFFIX))
    return None


def _names(folder: Path) -> list[str]:
    try:
        return sorted(path.name for path in folder.iterdir() if path.suffix != _UNFINISHED)
    except OSError:
        return []
