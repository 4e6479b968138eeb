"""Which addresses a webhook may lead to: hosts that the operator listed, and no machine behind the door by accident."""

import asyncio
import errno
import re
import socket
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Final, TypeAlias

from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from nodeflow.core.errors import UsageError
from nodeflow.protocol.errors import Refusal

Address: TypeAlias = IPv4Address | IPv6Address
Lookup: TypeAlias = Callable[[str, int], Awaitable[Sequence[str]]]
"""The addresses of a host, as a name server tells them."""

_PORTS: Final = {"http": 80, "https": 443}
_UNFIT: Final = re.compile(r"[\x00-\x20\x7f-\x9f\\]")
_NAME: Final = re.compile(r"[A-Za-z0-9._:-]{1,253}")
_NAT64: Final = IPv6Network("64:ff9b::/96")


class AddressRefused(OSError):
    """A host leads to a machine that is not for it."""

    def __init__(self, message: str) -> None:
        super().__init__(errno.EACCES, message)


@dataclass(frozen=True, slots=True)
class Host:
    """A host that the operator listed; without a port it is the usual one of http and https."""

    name: str
    port: int | None

    @classmethod
    def parse(cls, entry: str) -> "Host":
        """``hooks.example``, ``hooks.example:8443``, ``10.0.0.5:9000``, ``::1``, ``[::1]:9000``."""
        if _address(entry) is not None:
            return cls(_plain(entry), None)
        name, colon, port = entry.rpartition(":")
        if colon and port.isdecimal() and not name.endswith(":"):
            return cls(_plain(name.strip("[]")), int(port))
        return cls(_plain(entry.strip("[]")), None)

    def covers(self, url: URL) -> bool:
        """Whether an address is one of this host."""
        wanted = _PORTS[url.scheme] if self.port is None else self.port
        return _plain(url.raw_host or "") == self.name and url.port == wanted


def check_webhook(url: str, hosts: Sequence[str]) -> URL:
    """Holds the address of a webhook against the hosts that the operator listed, and gives back what it means.

    Raises:
        Refusal: webhook.refused, with the reason.
    """
    if _UNFIT.search(url):
        raise _refused("a webhook has no spaces, backslashes or control characters")
    try:
        parsed = URL(url)
        port = parsed.port
    except ValueError:
        raise _refused("a webhook is a whole address, such as https://hooks.example/done") from None
    if parsed.scheme not in _PORTS or not parsed.raw_host or port is None:
        raise _refused("a webhook begins with https:// or http:// and a host")
    if parsed.raw_user is not None or parsed.raw_password is not None:
        raise _refused("a webhook has neither user nor password; it is signed instead")
    if not any(host.covers(parsed) for host in map(Host.parse, hosts)):
        raise _refused(
            f"{parsed.raw_host}:{port} is not among the hosts that webhooks may go to",
            "the operator lists them: webhook_hosts in [server] of config.toml",
        )
    return parsed.with_fragment(None)


def check_hosts(hosts: Sequence[str]) -> None:
    """Finds out whether the operator's list makes sense.

    Raises:
        UsageError: An entry is no host.
    """
    for entry in hosts:
        if not _NAME.fullmatch(Host.parse(entry).name):
            raise UsageError(f"server.webhook_hosts: expected a host such as hooks.example:8443; found {entry!r}")


class CheckedResolver(AbstractResolver):
    """Looks a host up once and refuses addresses of private networks, so that what was checked is what is used.

    Such an address is accepted only when it is itself listed, or when ``localhost`` is and was asked for: a name that
    is listed may be led elsewhere by whoever owns it.
    """

    def __init__(self, hosts: Sequence[str], lookup: Lookup | None = None) -> None:
        self._listed = frozenset(Host.parse(entry).name for entry in hosts)
        self._lookup = lookup or look_up

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """The addresses to connect to.

        Raises:
            AddressRefused: One of them is not for this host.
        """
        found = await self._lookup(host, port)
        for text in found:
            if not self._accepts(host, text):
                raise AddressRefused(f"{host} leads to {text}, which is not a public address; list it if it is meant")
        return [
            ResolveResult(
                hostname=host,
                host=text,
                port=port,
                family=socket.AF_INET6 if ":" in text else socket.AF_INET,
                proto=0,
                flags=socket.AI_NUMERICHOST,
            )
            for text in found
        ]

    async def close(self) -> None:
        """There is nothing to close."""

    def _accepts(self, host: str, text: str) -> bool:
        if _plain(text) in self._listed:
            return True
        address = _address(text)
        if address is None:
            return False
        local = _plain(host) == "localhost" and "localhost" in self._listed
        return all((local and each.is_loopback) or _is_public(each) for each in _meanings(address))


async def look_up(host: str, port: int) -> Sequence[str]:
    """What the system's resolver tells."""
    infos = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(info[4][0]) for info in infos))


def _refused(message: str, hint: str = "") -> Refusal:
    return Refusal("webhook.refused", message, hint=hint)


def _plain(host: str) -> str:
    """A host in the one spelling that is compared."""
    address = _address(host)
    return host.lower().rstrip(".") if address is None else str(address)


def _address(text: str) -> Address | None:
    try:
        return ip_address(text)
    except ValueError:
        return None


def _meanings(address: Address) -> Sequence[Address]:
    """The addresses that packets to this one may end at: where it is another spelling or a tunnel, what is inside."""
    if isinstance(address, IPv4Address):
        return (address,)
    if address in _NAT64:
        return (IPv4Address(int(address) & 0xFFFF_FFFF),)
    if address.ipv4_mapped is not None:
        return (address.ipv4_mapped,)
    inner = (address.sixtofour, address.teredo[1] if address.teredo else None)
    return (address, *(each for each in inner if each is not None))


def _is_public(address: Address) -> bool:
    return address.is_global and not address.is_multicast and not address.is_reserved
