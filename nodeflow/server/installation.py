"""What a server tells its own user in files: the token of this installation, and where it listens."""

import logging
import os
from collections.abc import Generator
from contextlib import contextmanager, suppress
from ipaddress import ip_address
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from nodeflow.client.address import ADDRESS_FILE
from nodeflow.core.errors import UsageError
from nodeflow.server.security.tokens import new_token
from nodeflow.storage.home import Home
from nodeflow.storage.replacing import sync_folder
from nodeflow.storage.unfinished import hidden_name, remove_abandoned

_LOG: Final = logging.getLogger("nodeflow.server")

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


@contextmanager
def announced(home: Home, url: str) -> Generator[None]:
    """Clients of this user find the server meanwhile; for whoever has the database of this home."""
    place = home.root / ADDRESS_FILE
    try:
        with _hidden(place, _from_here(url)) as hidden:
            hidden.replace(place)
        sync_folder(place.parent)
    except OSError as error:
        _LOG.warning("%s: %s; clients have to be told that the server is at %s", place, error.strerror, url)
    try:
        yield
    finally:
        with suppress(OSError):  # one that stays names a server that does not answer, which clients say
            place.unlink()


def _from_here(url: str) -> str:
    """The address as this machine reaches it, where the server listens on all that there are."""
    parts = urlsplit(url)
    address = ip_address(parts.hostname or "")
    if not address.is_unspecified:
        return url
    return f"http://{'127.0.0.1' if address.version == 4 else '[::1]'}:{parts.port}"


def _make(place: Path) -> None:
    """The file is there with its token or not at all, whoever looks and whenever this process is killed."""
    with _hidden(place, new_token()) as hidden, suppress(FileExistsError):  # another server was faster; its token holds
        os.link(hidden, place)
    sync_folder(place.parent)


@contextmanager
def _hidden(place: Path, line: str) -> Generator[Path]:
    """A file with that line which its user alone may read, on the disk, still without its name."""
    place.parent.mkdir(parents=True, exist_ok=True)
    remove_abandoned(place.parent)
    hidden = place.with_name(hidden_name())
    descriptor = os.open(hidden, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(f"{line}\n")
            file.flush()
            os.fsync(file.fileno())
        yield hidden
    finally:
        hidden.unlink(missing_ok=True)
