"""The one rule by which a name from a document becomes a path: it never leaves its folder."""

import os
from pathlib import Path, PurePosixPath

MAX_NAME = 200
"""Bytes of one folder or file name that we accept; most file systems allow 255 and we append numbers and suffixes."""


class NameRefused(ValueError):
    """A name that is absolute, leaves its folder, or cannot be a file name on some system."""


def relative_name(name: str) -> PurePosixPath:
    """Checks a name that a user or a document wrote, and splits it at ``/``.

    Raises:
        NameRefused: The name is empty, absolute, has ``..``, a backslash, a drive, or a control character, or a part
            is too long.
    """
    if not name or name.endswith("/"):
        raise NameRefused("the name is empty")
    if "\\" in name or any(ord(character) < 32 or ord(character) == 127 for character in name):
        raise NameRefused("backslashes and control characters are not allowed; folders are separated by /")
    if name.startswith(("/", "~")) or ":" in name:
        raise NameRefused("only a path inside the folder is allowed, without a leading / or ~ and without a colon")
    parts = name.split("/")
    if any(part in ("", ".", "..") for part in parts):
        raise NameRefused("empty parts, . and .. are not allowed")
    if any(len(os.fsencode(part)) > MAX_NAME for part in parts):
        raise NameRefused(f"a part of the name is longer than {MAX_NAME} bytes")
    return PurePosixPath(*parts)


def contains(folder: Path, path: Path) -> bool:
    """Whether ``path`` lies in ``folder`` once every symbolic link is followed."""
    return Path(os.path.realpath(path)).is_relative_to(os.path.realpath(folder))  # takes links that lead in circles
