"""Files that a run writes: they appear whole or not at all, and never replace another."""

import contextlib
import errno
import os
import re
import secrets
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from nodeflow.core.errors import NodeflowError, UsageError
from nodeflow.storage.containment import NameRefused, contains, relative_name

_DIGITS = 5
_STALE = 86_400.0
"""Seconds after which an unfinished file of another machine counts as abandoned."""
_NO_HARD_LINKS = frozenset({errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK, errno.EACCES})
_REASONS = {
    errno.ENOSPC: "the disk is full; free some space or choose another folder with --output-dir",
    errno.EDQUOT: "your quota is used up; free some space or choose another folder with --output-dir",
    errno.EFBIG: "the file would be larger than this system or process may write",
    errno.EROFS: "the file system is read-only; choose another folder with --output-dir",
    errno.EACCES: "writing there is not permitted; choose another folder with --output-dir",
    errno.EPERM: "writing there is not permitted; choose another folder with --output-dir",
    errno.ENOTDIR: "a part of this path is a file, not a folder; choose another folder with --output-dir",
    errno.EEXIST: "a part of this path is a file, not a folder; choose another folder with --output-dir",
    errno.ENAMETOOLONG: "the path is too long",
}


class OutputFailed(NodeflowError):
    """A file could not be written; the message names it and the way out."""


@dataclass(frozen=True, slots=True)
class Outputs:
    """The output folder of one run; made when the first file is written."""

    folder: Path

    def check(self) -> None:
        """Finds out before anything is computed whether files can be written.

        Raises:
            UsageError: The folder, or what would have to be created of it, is not writable.
        """
        place = self.folder.absolute()
        while not _exists(place):
            place = place.parent
        if not place.is_dir():
            raise UsageError(f"output folder {self.folder}: {place} is a file; choose another --output-dir")
        if not os.access(place, os.W_OK | os.X_OK):
            raise UsageError(f"output folder {self.folder}: {place} is not writable; choose another --output-dir")

    def save(self, prefix: str, suffix: str, data: bytes | memoryview) -> Path:
        """Writes ``PREFIX_00001.SUFFIX`` with the next free number.

        Args:
            prefix: A name that may have sub-folders (``portraits/cat``) but not leave the output folder.
            suffix: Without a dot.
            data: The whole file.

        Raises:
            OutputFailed: The prefix leaves the folder, or the file cannot be written.
        """
        name = self._name(prefix, suffix)
        folder = self.folder.joinpath(*name.parts[:-1])
        try:
            folder.mkdir(parents=True, exist_ok=True)
            if not contains(self.folder, folder):
                raise OutputFailed(f"{prefix!r} leads out of the output folder {self.folder} through a symbolic link")
            _sweep(folder)
            return _publish(folder, name.name, suffix, data)
        except OSError as error:
            reason = _REASONS.get(error.errno or 0, error.strerror or str(error))
            raise OutputFailed(f"cannot write {folder / name.name}_….{suffix}: {reason}") from error

    def _name(self, prefix: str, suffix: str) -> PurePosixPath:
        try:
            name = relative_name(prefix)
            relative_name(suffix)
        except NameRefused as error:
            raise OutputFailed(f"the name {prefix!r} cannot be used for a file in {self.folder}: {error}") from error
        return name


def _publish(folder: Path, stem: str, suffix: str, data: bytes | memoryview) -> Path:
    """Writes a hidden file completely, then gives it the next free number in one step."""
    hidden = folder / f".nodeflow-{_machine()}-{os.getpid()}-{secrets.token_hex(6)}.tmp"
    try:
        with hidden.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        path = _give_number(hidden, folder, stem, suffix)
        _fsync_folder(folder)
        return path
    finally:
        hidden.unlink(missing_ok=True)


def _give_number(hidden: Path, folder: Path, stem: str, suffix: str) -> Path:
    for number in _numbers(folder, stem):
        path = folder / f"{stem}_{number:0{_DIGITS}d}.{suffix}"
        with contextlib.suppress(FileExistsError):
            _link(hidden, path)
            return path
    raise AssertionError("numbers never end")


def _link(hidden: Path, path: Path) -> None:
    """Names a finished file, or raises FileExistsError; a watcher never sees a part of it."""
    try:
        os.link(hidden, path)
    except FileExistsError:
        raise
    except OSError as error:
        if error.errno not in _NO_HARD_LINKS:
            raise
        # Without hard links the name is taken first; for an instant the file is empty.
        path.open("xb").close()
        hidden.replace(path)


def _numbers(folder: Path, stem: str) -> Iterator[int]:
    """Numbers above all that this stem has had here, so that a deleted picture's name is not given to another."""
    taken = re.compile(re.escape(stem) + r"_(\d+)\.")
    with os.scandir(folder) as entries:
        found = [int(match[1]) for entry in entries if (match := taken.match(entry.name))]
    number = max(found, default=0)
    while True:
        number += 1
        yield number


def _sweep(folder: Path) -> None:
    """Removes what killed processes left behind."""
    with os.scandir(folder) as entries:
        hidden = [entry for entry in entries if entry.name.startswith(".nodeflow-") and entry.name.endswith(".tmp")]
    for entry in hidden:
        with contextlib.suppress(OSError):
            if _abandoned(entry):
                Path(entry.path).unlink(missing_ok=True)


def _abandoned(entry: "os.DirEntry[str]") -> bool:
    machine, _, rest = entry.name.removeprefix(".nodeflow-").rpartition("-")[0].rpartition("-")
    if machine == _machine() and rest.isdecimal() and os.name == "posix":  # elsewhere signal 0 is not a question
        return not _alive(int(rest))
    return time.time() - entry.stat().st_mtime > _STALE


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True


def _machine() -> str:
    return re.sub(r"[^A-Za-z0-9.]", "_", socket.gethostname())[:64]


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:
        return False


def _fsync_folder(folder: Path) -> None:
    """Makes the new name durable; some file systems cannot, which is no reason to fail."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
