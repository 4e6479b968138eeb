"""The token of this installation: whoever may read its file works at this machine."""

import os
from contextlib import suppress
from pathlib import Path
from typing import Final

from nodeflow.core.errors import UsageError
from nodeflow.server.security.tokens import new_token
from nodeflow.storage.home import Home
from nodeflow.storage.replacing import sync_folder
from nodeflow.storage.unfinished import hidden_name, remove_abandoned

FILE: Final = "server.token"
_SHORTEST: Final = 20


def install_token(home: Home) -> str:
    """The token in the file, which is made when it is not there.

    Raises:
        UsageError: The file cannot be read or made, others may read it, or something else is in it.
    """
    place = home.root / FILE
    try:
        if not place.exists():
            _make(place)
        token = place.read_text(encoding="ascii").strip()
        others = os.name == "posix" and place.stat().st_mode & 0o077
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no text"
        raise UsageError(f"{place}: {reason}; the server keeps the token of its own user there") from error
    if others:
        raise UsageError(f"{place}: other users of this machine may read it; run: chmod 600 {place}")
    if len(token) < _SHORTEST:
        raise UsageError(f"{place}: there is no token in it; delete the file, and the next start makes another")
    return token


def _make(place: Path) -> None:
    """The file is there with its token or not at all, whoever looks and whenever this process is killed."""
    place.parent.mkdir(parents=True, exist_ok=True)
    remove_abandoned(place.parent)
    hidden = place.with_name(hidden_name())
    descriptor = os.open(hidden, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(f"{new_token()}\n")
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileExistsError):  # another server was faster; its token holds
            os.link(hidden, place)
    finally:
        hidden.unlink()
    sync_folder(place.parent)
