"""Deleting files by age and by size; links are never followed, and what is in use elsewhere stays."""

import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from nodeflow.storage.containment import contains


class Found(NamedTuple):
    """A file, and what decides about it; the oldest sorts first."""

    modified: float
    size: int
    path: str


def remove_files(files: Iterable[tuple[Path, str]]) -> None:
    """Deletes files below folders, as far as they are there and really below them."""
    for folder, path in files:
        place = folder / path
        with suppress(FileNotFoundError):
            if contains(folder, place.parent):
                place.unlink()


def remove_old(folder: Path, before: float) -> int:
    """Deletes the files below a folder that were written before a moment; gives how many."""
    return sum(_removed(found) for found in _below(folder) if found.modified < before)


def remove_oldest(folder: Path, most: int, before: float) -> int:
    """Deletes the oldest files until the rest is at most so many bytes; none that was written after ``before``."""
    files = sorted(_below(folder))
    over = sum(found.size for found in files) - most
    count = 0
    for found in files:
        if over <= 0 or found.modified >= before:
            break
        count += _removed(found)
        over -= found.size
    return count


def remove_graves(folder: Path, before: float) -> int:
    """Deletes what was put into ``FOLDER/CLIENT/ID`` before a moment; gives how many of these there were."""
    count = 0
    for client in _folders(folder):
        for grave in _folders(Path(client)):
            with suppress(FileNotFoundError):
                if grave.stat(follow_symlinks=False).st_mtime < before:
                    shutil.rmtree(grave)
                    count += 1
    return count


def _below(folder: Path) -> Iterator[Found]:
    with suppress(FileNotFoundError, NotADirectoryError), os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                yield from _below(Path(entry.path))
            elif entry.is_file(follow_symlinks=False):
                with suppress(FileNotFoundError):
                    status = entry.stat(follow_symlinks=False)
                    yield Found(status.st_mtime, status.st_size, entry.path)


def _folders(folder: Path) -> "Iterator[os.DirEntry[str]]":
    with suppress(FileNotFoundError, NotADirectoryError), os.scandir(folder) as entries:
        yield from [entry for entry in entries if entry.is_dir(follow_symlinks=False)]


def _removed(found: Found) -> bool:
    try:
        Path(found.path).unlink()
    except FileNotFoundError:
        return False
    return True
