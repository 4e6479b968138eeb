"""Files that a run writes: they appear whole or not at all, never replace another, and are not written twice."""

import contextlib
import errno
import filecmp
import os
import re
from collections.abc import Callable, Container, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from hashlib import sha256
from pathlib import Path
from threading import Lock
from typing import NamedTuple

from nodeflow.core.errors import NodeflowError, UsageError
from nodeflow.storage.containment import MAX_NAME, NameRefused, contains, relative_name
from nodeflow.storage.givennames import GivenNames, given_names
from nodeflow.storage.replacing import sync_folder
from nodeflow.storage.unfinished import hidden_name, remove_abandoned

_DIGITS = 5
_NO_HARD_LINKS = frozenset({errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK, errno.EACCES})
_REASONS = {
    errno.ENOSPC: "the disk is full; free some space or choose another output folder",
    errno.EDQUOT: "your quota is used up; free some space or choose another output folder",
    errno.EFBIG: "the file would be larger than this system or process may write",
    errno.EROFS: "the file system is read-only; choose another output folder",
    errno.EACCES: "writing there is not permitted; choose another output folder",
    errno.EPERM: "writing there is not permitted; choose another output folder",
    errno.ENOTDIR: "a part of this path is a file, not a folder; choose another output folder",
    errno.EEXIST: "a part of this path is a file, not a folder; choose another output folder",
    errno.ENAMETOOLONG: "the path is too long",
}


class OutputFailed(NodeflowError):
    """A file could not be written; the message names it and the way out."""


def write_failed(path: Path, error: OSError) -> OutputFailed:
    """The reason why a file could not be written, with the way out."""
    reason = _REASONS.get(error.errno or 0, error.strerror or str(error))
    return OutputFailed(f"cannot write {path}: {reason}")


class Written(NamedTuple):
    """A file of the output folder that holds what was to be saved.

    Attributes:
        unchanged: The very same file was there already.
    """

    path: Path
    unchanged: bool = False


@dataclass(frozen=True, slots=True)
class Outputs:
    """The output folder of one run; made when the first file is written.

    Attributes:
        label: Stands in every file name between prefix and number.
    """

    folder: Path
    label: str = ""
    _written: dict[Path, Written] = field(default_factory=dict[Path, Written])
    _turn: Lock = field(default_factory=Lock)

    def for_run(self, label: str = "") -> "Outputs":
        """The same folder for another run, which has written nothing yet."""
        return Outputs(self.folder, label)

    @property
    def unchanged(self) -> frozenset[Path]:
        """Files of this run that were there already."""
        return frozenset(path for path, written in list(self._written.items()) if written.unchanged)

    def check(self) -> None:
        """Finds out before anything is computed whether files can be written.

        Raises:
            UsageError: The folder, or what would have to be created of it, is not writable.
        """
        place = self.folder.absolute()
        while not _exists(place):
            place = place.parent
        if not place.is_dir():
            raise UsageError(f"output folder {self.folder}: {place} is a file; choose another output folder")
        if not os.access(place, os.W_OK | os.X_OK):
            raise UsageError(f"output folder {self.folder}: {place} is not writable; choose another output folder")

    def save(self, prefix: str, suffix: str, data: bytes | Iterable[bytes]) -> Written:
        """Writes ``PREFIX_00001.SUFFIX`` with the next free number, unless the very same file is there already.

        A file that was deleted comes back under its old number; no other file ever gets that. Equal files of one run
        are kept apart: each is a file of its own, as the pictures of an animation have to be.

        Args:
            prefix: A name that may have sub-folders (``portraits/cat``) but not leave the output folder.
            suffix: Without a dot.
            data: The whole file, or its pieces one after the other, which are then never in memory together.

        Raises:
            OutputFailed: The prefix leaves the folder, or the file cannot be written.
        """
        folder, stem = self._place(prefix, suffix)
        try:
            self._make(folder, prefix)
            remove_abandoned(folder)
            with self._turn:
                written = _publish(_Shelf(folder, stem, suffix), data, self._written)
                self._written[written.path] = written
                return written
        except OSError as error:
            raise write_failed(folder / f"{stem}_….{suffix}", error) from error

    def _make(self, folder: Path, prefix: str) -> None:
        """Makes a folder, unless a link on the way there leads elsewhere: not even an empty one is made there."""
        for _ in range(2):  # once more, should a link have come meanwhile
            if not contains(self.folder, folder):
                raise OutputFailed(f"{prefix!r} leads out of the output folder {self.folder} through a symbolic link")
            folder.mkdir(parents=True, exist_ok=True)

    def _place(self, prefix: str, suffix: str) -> tuple[Path, str]:
        try:
            name = relative_name(prefix)
            relative_name(suffix)
        except NameRefused as error:
            raise OutputFailed(f"the name {prefix!r} cannot be used for a file in {self.folder}: {error}") from error
        return self.folder.joinpath(*name.parts[:-1]), self._labelled(name.name)

    def _labelled(self, stem: str) -> str:
        room = MAX_NAME - len(os.fsencode(stem)) - 1
        label = self.label.encode()[: max(0, room)].decode("utf-8", "ignore").rstrip("_-. ")
        return f"{stem}_{label}" if label else stem


class _Shelf:
    """The files of one folder whose names differ in nothing but the number."""

    def __init__(self, folder: Path, stem: str, suffix: str) -> None:
        self.folder = folder
        self._stem = stem
        self._suffix = suffix
        self._numbered = re.compile(re.escape(stem) + r"_(\d+)\.", re.DOTALL)

    def same(self, content: "_Content", names: GivenNames) -> Iterator[Path]:
        """Files with this very content; those that are known to have another are not opened."""
        known = names.digests
        with os.scandir(self.folder) as entries:
            found = [
                entry.name
                for entry in entries
                if known.get(entry.name, content.digest) == content.digest
                and self._fits(entry.name)
                and _is_as_long(entry, content.size)
            ]
        for name in sorted(found, key=self._number):
            if _readable(content.is_in, self.folder / name):
                yield self.folder / name

    def free(self, digest: str, names: GivenNames) -> Iterator[Path]:
        """Where this content has been before, then places that never had any."""
        for name, known in names.digests.items():
            if known == digest and self._fits(name):
                yield self.folder / name
        with os.scandir(self.folder) as entries:
            taken = {entry.name for entry in entries}.union(names.digests)
        number = max(map(self._number, taken), default=0)
        while True:
            number += 1
            yield self.folder / self._name(number)

    def _name(self, number: int) -> str:
        return f"{self._stem}_{number:0{_DIGITS}d}.{self._suffix}"

    def _number(self, name: str) -> int:
        match = self._numbered.match(name)
        return int(match[1]) if match else 0

    def _fits(self, name: str) -> bool:
        return name == self._name(self._number(name))


class _Content(NamedTuple):
    """What a file is to hold."""

    size: int
    digest: str
    is_in: Callable[[Path], bool]


def _publish(shelf: _Shelf, data: bytes | Iterable[bytes], written: Container[Path]) -> Written:
    """Writes a hidden file completely, then names it in one step; looks for the very same file before both."""
    if isinstance(data, bytes):
        content = _Content(len(data), sha256(data).hexdigest(), partial(_holds, data))
        with given_names(shelf.folder) as names:
            if same := _first(shelf.same(content, names), written):
                names.add(same.name, content.digest)
                return Written(same, unchanged=True)
    hidden = shelf.folder / hidden_name()
    try:
        content = _written(hidden, [data] if isinstance(data, bytes) else data)
        with given_names(shelf.folder) as names:
            if same := _first(shelf.same(content, names), written):  # for pieces the first look, else another's
                names.add(same.name, content.digest)
                return Written(same, unchanged=True)
            path = _give_name(hidden, shelf.free(content.digest, names))
            names.add(path.name, content.digest)
        sync_folder(shelf.folder)
        return Written(path)
    finally:
        hidden.unlink(missing_ok=True)


def _written(hidden: Path, pieces: Iterable[bytes]) -> _Content:
    """Writes a file piece by piece."""
    digest, size = sha256(), 0
    with hidden.open("xb") as file:
        for piece in pieces:
            file.write(piece)
            digest.update(piece)
            size += len(piece)
        file.flush()
        os.fsync(file.fileno())
    return _Content(size, digest.hexdigest(), partial(_equal, hidden))


def _first(paths: Iterator[Path], written: Container[Path]) -> Path | None:
    return next((path for path in paths if path not in written), None)


def _is_as_long(entry: "os.DirEntry[str]", size: int) -> bool:
    try:
        return entry.is_file(follow_symlinks=False) and entry.stat(follow_symlinks=False).st_size == size
    except OSError:  # gone meanwhile
        return False


def _holds(data: bytes, path: Path) -> bool:
    return path.read_bytes() == data


def _equal(one: Path, other: Path) -> bool:
    return filecmp.cmp(one, other, shallow=False)


def _readable(question: Callable[[Path], bool], path: Path) -> bool:
    try:
        return question(path)
    except OSError:  # gone meanwhile, or not ours to read
        return False


def _give_name(hidden: Path, free: Iterator[Path]) -> Path:
    for path in free:
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


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:
        return False
