"""What lies below a folder of model files: those that can be read, and what is wrong with the rest."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

_MAX_DEPTH = 12
_ODD = {
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFDIR: "a folder",
}
"""What stands in the place of a file, by the type of its mode."""


class Found(NamedTuple):
    """An entry below a folder.

    Attributes:
        name: Below the folder, as ``sub/name``.
        linked: A link leads there.
        fault: Why it cannot be read; empty for files, which is what the others are not.
    """

    name: str
    linked: bool
    fault: str = ""


def entries_below(folder: Path) -> Iterator[Found]:
    """Files below a folder in order, and entries that are none; circles of links end at a limit."""
    pending: list[tuple[Path, str, int, bool]] = [(folder, "", 0, False)]
    while pending:
        place, prefix, depth, linked = pending.pop()
        try:
            entries = sorted(os.scandir(place), key=lambda entry: entry.name)
        except (FileNotFoundError, NotADirectoryError):
            continue  # there is no folder, so there are no files
        except OSError as error:
            yield Found(prefix, linked, f"the folder cannot be read: {_reason(error)}")
            continue
        for entry in entries:
            if entry.name.startswith("."):
                continue
            by_link = linked or entry.is_symlink()
            if os.path.isdir(entry) if by_link else entry.is_dir():  # noqa: PTH112 - an entry is no Path
                if depth < _MAX_DEPTH:
                    pending.append((place / entry.name, f"{prefix}{entry.name}/", depth + 1, by_link))
            else:
                fault = "" if not by_link and entry.is_file() else fault_of(place / entry.name)
                yield Found(prefix + entry.name, by_link, fault or "")


def fault_of(path: Path) -> str | None:
    """Why there is no file to read at a place where something is; "" for a file, None where nothing is."""
    try:
        mode = path.stat().st_mode
    except OSError as error:
        if not path.is_symlink():
            return None if isinstance(error, FileNotFoundError | NotADirectoryError) else _reason(error)
        if isinstance(error, FileNotFoundError):
            return f"it is a link to {os.readlink(path)}, which is not there"  # noqa: PTH115 - as it is written
        return f"it is a link to {os.readlink(path)}: {_reason(error)}"  # noqa: PTH115
    return "" if stat.S_ISREG(mode) else f"it is {_ODD.get(stat.S_IFMT(mode), 'no file')}, not a file"


def _reason(error: OSError) -> str:
    return (error.strerror or str(error)).lower()
