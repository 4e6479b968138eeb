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


@dataclass(frozen=True, slots=True)
class Address:
    """A server and a token for it; the token is never shown.

    Attributes:
        url: Without a slash at its end.
    """

    url: str
    token: str | None = field(default=None, repr=False)

    @property
    def headers(self) -> Mapping[str, str]:
        """What every request carries."""
        return {} if self.token is None else {"Authorization": f"Bearer {self.token}"}


def find_address(url: str | None = None, token: str | None = None, environ: Mapping[str, str] | None = None) -> Address:
    """The server that is meant.

    Args:
        url: ``$NODEFLOW_SERVER`` or ``http://127.0.0.1:8188`` by default.
        token: ``$NODEFLOW_TOKEN`` by default; for a server on this machine that of the file which it wrote.
        environ: The environment; that of the process by default.

    Raises:
        UsageError: The address is no URL of a server, or a token has characters that none has.
    """
    around = os.environ if environ is None else environ
    chosen = url or around.get("NODEFLOW_SERVER") or DEFAULT_URL
    parts = urlsplit(chosen if "://" in chosen else f"http://{chosen}")
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.username is not None:
        raise UsageError(f"{chosen!r} is no address of a server; expected one such as {DEFAULT_URL}")
    known = token or around.get("NODEFLOW_TOKEN") or (_own_token(around) if _is_here(parts.hostname) else None)
    if known is not None and not (known.isascii() and known.isprintable() and " " not in known):
        raise UsageError("the token has characters that no token has; copy it once more from `nodeflow token create`")
    return Address(f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}", known)


def _is_here(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _own_token(environ: Mapping[str, str]) -> str | None:
    chosen = environ.get("NODEFLOW_HOME")
    home = Path(chosen).expanduser() if chosen else Path.home() / ".nodeflow"
    try:
        return (home / TOKEN_FILE).read_text(encoding="ascii").strip() or None
    except (OSError, UnicodeDecodeError):  # no server has run here, or as another user
        return None
