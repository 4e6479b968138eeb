"""Where the server is, and who asks it."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from nodeflow.core.errors import UsageError

DEFAULT_URL: Final = "http://127.0.0.1:8188"
TOKEN_FILE: Final = "server.token"
"""File in the home of a server with a token for whoever may read it, that is for its own user."""
ADDRESS_FILE: Final = "server.url"
"""File in the home of a server that runs: where clients of its machine find it."""


@dataclass(frozen=True, slots=True)
class Address:
    """A server and a token for it; the token is never shown.

    Attributes:
        url: Without a slash at its end.
        token: That requests carry.
        source: Who says that the server is there.
    """

    url: str
    token: str | None = field(default=None, repr=False)
    source: str = field(default="as asked for", compare=False)

    @property
    def headers(self) -> Mapping[str, str]:
        """What every request carries."""
        return {} if self.token is None else {"Authorization": f"Bearer {self.token}"}


def find_address(url: str | None = None, token: str | None = None, environ: Mapping[str, str] | None = None) -> Address:
    """The server that is meant.

    Args:
        url: By default ``$NODEFLOW_SERVER``, else that of the server which runs in ``$NODEFLOW_HOME``, else
            ``http://127.0.0.1:8188``.
        token: ``$NODEFLOW_TOKEN`` by default; for the server that runs in ``$NODEFLOW_HOME`` that of the file which it
            wrote.
        environ: The environment; that of the process by default.

    Raises:
        UsageError: The address is no URL of a server, or a token has characters that none has.
    """
    around = os.environ if environ is None else environ
    home = _home(around)
    running = _line(home / ADDRESS_FILE)
    places = (
        (url, "as asked for"),
        (around.get("NODEFLOW_SERVER"), "from $NODEFLOW_SERVER"),
        (running, f"from {home / ADDRESS_FILE}"),
        (DEFAULT_URL, "the usual address"),
    )
    chosen, source = next((place, source) for place, source in places if place)
    address = _whole(chosen, source)
    own = _line(home / TOKEN_FILE) if running and _is_here(address) and address == _whole(running, "") else None
    known = token or around.get("NODEFLOW_TOKEN") or own
    if known is not None and not (known.isascii() and known.isprintable() and " " not in known):
        raise UsageError("the token has characters that no token has; copy it once more from `nodeflow token create`")
    return Address(address, known, source)


def _whole(url: str, source: str) -> str:
    parts = urlsplit(url if "://" in url else f"http://{url}")
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.username is not None:
        raise UsageError(f"{url!r} ({source}) is no address of a server; expected one such as {DEFAULT_URL}")
    return f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}"


def _is_here(url: str) -> bool:
    try:
        return ip_address(urlsplit(url).hostname or "").is_loopback
    except ValueError:  # a name
        return False


def _home(environ: Mapping[str, str]) -> Path:
    chosen = environ.get("NODEFLOW_HOME")
    return Path(chosen).expanduser() if chosen else Path.home() / ".nodeflow"


def _line(file: Path) -> str | None:
    try:
        return file.read_text(encoding="ascii").strip() or None
    except (OSError, UnicodeDecodeError):  # no server runs here, or as another user
        return None
