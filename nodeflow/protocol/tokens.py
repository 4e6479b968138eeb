"""Tokens, and the clients that they make known."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from nodeflow.protocol.base import Message, Moment, Name


class Role(StrEnum):
    """What a client may do: look, run jobs of its own, or everything."""

    READ = "read"
    RUN = "run"
    ADMIN = "admin"

    def covers(self, needed: "Role") -> bool:
        """Whether this role may do what ``needed`` may."""
        order = list(Role)
        return order.index(self) >= order.index(needed)


class TokenRequest(Message):
    """A token to be made; its name is that of the client who holds it."""

    name: Name
    role: Role = Role.RUN


class TokenInfo(Message):
    """A token in a list; what it consists of is known to nobody but its holder."""

    name: Name
    role: Role
    created: Moment
    last_used: Moment | None = None
    revoked: Moment | None = None


class TokenMade(TokenInfo):
    """A token that was just made; ``token`` is shown this once."""

    token: str


class TokenPage(Message):
    """All tokens, the revoked ones included."""

    tokens: tuple[TokenInfo, ...]


class Login(Message):
    """What a browser gives for its cookie."""

    token: Annotated[str, Field(min_length=1, max_length=200)]


class Me(Message):
    """Who the server takes the client for. ``client`` is empty and ``role`` null while it has to log in."""

    client: str = ""
    role: Role | None = None
    login: bool = False
    """Whether this server asks for a token."""
