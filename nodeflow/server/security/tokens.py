"""Tokens: made once, kept as digests, compared in constant time."""

import base64
import hashlib
import hmac
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Final

from nodeflow.protocol.tokens import Role
from nodeflow.server.security.clients import LOCAL, Client
from nodeflow.storage.database.tokens import listed, used

if TYPE_CHECKING:
    from nodeflow.storage.database.store import Store

PREFIX: Final = "nf_"
_BYTES: Final = 32


def new_token() -> str:
    """A token that nobody can guess."""
    return PREFIX + base64.urlsafe_b64encode(secrets.token_bytes(_BYTES)).rstrip(b"=").decode()


def digest_of(token: str) -> bytes:
    """What is kept of a token."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()


@dataclass(slots=True)
class Tokens:
    """The tokens that count now.

    Attributes:
        install: The token of this installation, in ``server.token``; its holder is ``local``.
    """

    install: str
    _made: bool = False
    _known: dict[str, tuple[bytes, Role]] = field(default_factory=dict[str, tuple[bytes, Role]])
    _used: dict[str, float] = field(default_factory=dict[str, float])

    @property
    def any(self) -> bool:
        """Whether there is a token beside that of the installation."""
        return bool(self._known)

    @property
    def made(self) -> bool:
        """Whether there ever was one: who revokes the last token does not want to open the door by that."""
        return self._made

    async def load(self, store: "Store") -> None:
        """Take what the database says; what was revoked is worth nothing from now on."""
        await self.keep_uses(store)
        found = await store.read(listed)
        self._made = bool(found)
        self._known = {token.name: (token.digest, Role(token.role)) for token in found if token.revoked is None}

    async def keep_uses(self, store: "Store") -> None:
        """Write down when tokens were used last."""
        uses, self._used = self._used, {}
        for name, moment in uses.items():
            await store.write(partial(used, name=name, now=moment))

    def client(self, token: str) -> Client | None:
        """Whose token this is."""
        return self._found(digest_of(token), lambda digest: digest)

    def cookie(self, client: Client) -> str:
        """What a browser of this client keeps; worth nothing elsewhere, and nothing once the token is revoked."""
        digest = self._all()[client.name][0]
        return base64.urlsafe_b64encode(self._sealed(digest)).rstrip(b"=").decode()

    def client_of_cookie(self, cookie: str) -> Client | None:
        """Whose cookie this is."""
        try:
            given = base64.b64decode(cookie.encode("ascii") + b"=", altchars=b"-_", validate=True)
        except ValueError:
            return None
        return self._found(given, self._sealed)

    def _found(self, given: bytes, form: Callable[[bytes], bytes]) -> Client | None:
        found: Client | None = None
        for name, (digest, role) in self._all().items():  # to the end, whichever it is
            if hmac.compare_digest(form(digest), given):
                found = Client(name, role)
        if found is not None and found.name in self._known:
            self._used[found.name] = time.time()
        return found

    def _sealed(self, digest: bytes) -> bytes:
        return hmac.digest(self.install.encode(), b"cookie" + digest, "sha256")

    def _all(self) -> Mapping[str, tuple[bytes, Role]]:
        return {LOCAL: (digest_of(self.install), Role.ADMIN), **self._known}
