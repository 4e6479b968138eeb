"""Hosts and origins: the names under which this server is reached, and the pages that may use it."""

import ipaddress
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from aiohttp import hdrs, web

from nodeflow.protocol.errors import Refusal
from nodeflow.server.settings import ServerSettings

_LOOPBACK: Final = ("localhost", "127.0.0.1", "[::1]")
_READING: Final = frozenset({hdrs.METH_GET, hdrs.METH_HEAD})
_FOREIGN: Final = frozenset({"cross-site", "same-site"})
_SHOWN: Final = 100


@lru_cache(maxsize=1024)
def is_loopback(host: str) -> bool:
    """Whether only this machine reaches what listens there, or is there."""
    if host == "localhost":
        return True
    try:
        address = ipaddress.ip_address(host.strip("[]").partition("%")[0])
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return address.is_loopback or (mapped is not None and mapped.is_loopback)


@dataclass(frozen=True, slots=True)
class Hosts:
    """What one request says of where it goes and where it comes from."""

    request: web.Request
    settings: ServerSettings
    host: str
    own: frozenset[str]

    @classmethod
    def of(cls, request: web.Request, settings: ServerSettings) -> "Hosts":
        """Looks at a request; its own address counts as a name, since no name server can lead elsewhere by it."""
        transport = request.transport
        address: tuple[str, int] = (transport.get_extra_info("sockname") if transport else None) or ("", 0)
        host, port = address[0], address[1]
        shown = f"[{host}]" if ":" in host else host
        names = {f"{name}:{port}" for name in (*_LOOPBACK, shown)}
        if port in (80, 443):
            names.update((*_LOOPBACK, shown))
        names.update(name.lower() for name in settings.names)
        names.update(f"{name.lower()}:{port}" for name in settings.names if ":" not in name)
        return cls(request, settings, request.headers.get(hdrs.HOST, "").lower(), frozenset(names))

    @property
    def names_loopback(self) -> bool:
        """Whether the request is meant for this machine by its name."""
        return self.host.rpartition(":")[0] in _LOOPBACK or self.host in _LOOPBACK

    def check_host(self) -> None:
        """Refuses names that are not this server's, such as one that a foreign page has let point here."""
        if self.host not in self.own:
            raise Refusal(
                "host.refused",
                f"this server is not called {self.host[:_SHOWN]!r}",
                hint="list the name with its port in server.names, or start with --name",
            )

    def check_origin(self) -> None:
        """Refuses what the page of another site asks for; a link that leads here is followed."""
        origin = self.request.headers.get(hdrs.ORIGIN)
        if origin is not None:
            allowed = origin in (f"http://{self.host}", f"https://{self.host}") or origin in self.settings.origins
            if not allowed or len(self.request.headers.getall(hdrs.ORIGIN)) != 1:
                raise self._foreign(f"the page {origin[:_SHOWN]!r}")
            return
        site = self.request.headers.get("Sec-Fetch-Site", "").lower()
        if site in _FOREIGN and not self._is_visit:
            raise self._foreign("a page of another site")

    @property
    def _is_visit(self) -> bool:
        """Whether the browser goes to a page, as opposed to a page asking for something."""
        mode = self.request.headers.get("Sec-Fetch-Mode", "").lower()
        return mode == "navigate" and self.request.method in _READING

    def _foreign(self, who: str) -> Refusal:
        return Refusal("origin.refused", f"{who} may not use this server", hint="list its origin in server.origins")
