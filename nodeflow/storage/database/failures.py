"""What can go wrong with the store as a whole."""

import sqlite3
from pathlib import Path

from sqlalchemy.exc import DBAPIError

from nodeflow.core.errors import NodeflowError, UsageError


class StorageFailed(NodeflowError):
    """The disk did not take a change; nothing of it was kept, and it may be tried again."""


_REMEDIES = {
    "SQLITE_FULL": "free some space",
    "SQLITE_IOERR": "free some space, and look whether the disk is in order",
    "SQLITE_CANTOPEN": "let this user read and write it and its folder",
    "SQLITE_READONLY": "let this user write to it and its folder",
    "SQLITE_PERM": "let this user read and write it and its folder",
    "SQLITE_BUSY": "close the program that has it open",
    "SQLITE_LOCKED": "close the program that has it open",
}


def failure(path: Path, error: sqlite3.Error | DBAPIError) -> StorageFailed | None:
    """The failure of the disk behind an error of the database, or None when the error is that of a statement."""
    cause = error.orig if isinstance(error, DBAPIError) else error
    name = getattr(cause, "sqlite_errorname", "") or ""
    primary = "_".join(name.split("_")[:2])
    if primary in ("SQLITE_CORRUPT", "SQLITE_NOTADB"):
        return StorageFailed(f"{damaged(path, str(cause))}")
    remedy = _REMEDIES.get(primary)
    return None if remedy is None else StorageFailed(f"{path}: {cause} → {remedy}, then try again")


def damaged(path: Path, reason: str) -> UsageError:
    """A file that is no longer what was written, and the ways out."""
    return UsageError(
        f"{path}: the database is damaged ({reason}) → put a backup of it in its place together with its -wal file, "
        f"or save what is left: sqlite3 {path} .recover | sqlite3 {path}.saved, "
        f"or move it away to begin with an empty one: mv {path} {path}.damaged"
    )
