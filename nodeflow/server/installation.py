"""The token of this installation: whoever may read its file works at this machine."""

import os
from typing import Final

from nodeflow.core.errors import UsageError
from nodeflow.server.tokens import new_token
from nodeflow.storage.home import Home

FILE: Final = "server.token"
_SHORTEST: Final = 20


def install_token(home: Home) -> str:
    """The token in the file, which is made when it is not there.

    Raises:
        UsageError: The file cannot be read or made, others may read it, or something else is in it.
    """
    place = home.root / FILE
    try:
        home.root.mkdir(parents=True, exist_ok=True)
        try:
            descriptor = os.open(place, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            token = place.read_text(encoding="ascii").strip()
            others = os.name == "posix" and place.stat().st_mode & 0o077
        else:
            token, others = new_token(), 0
            with os.fdopen(descriptor, "w", encoding="ascii") as file:
                file.write(f"{token}\n")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no text"
        raise UsageError(f"{place}: {reason}; the server keeps the token of its own user there") from error
    if others:
        raise UsageError(f"{place}: other users of this machine may read it; run: chmod 600 {place}")
    if len(token) < _SHORTEST:
        raise UsageError(f"{place}: there is no token in it; delete the file, and the next start makes another")
    return token
