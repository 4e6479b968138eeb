"""The client behind a request."""

from dataclasses import dataclass
from typing import Final

from aiohttp import web

from nodeflow.protocol.errors import Refusal
from nodeflow.protocol.tokens import Role

LOCAL: Final = "local"
"""The client who works at this machine; its outputs are in the output folder itself."""


@dataclass(frozen=True, slots=True)
class Client:
    """Who asks.

    Attributes:
        name: That of the token.
        role: What it may do.
        proven: A token or a cookie came with the request, which no page of another site can send.
    """

    name: str
    role: Role
    proven: bool = True

    @property
    def sees(self) -> str | None:
        """Whose jobs, outputs and uploads it sees: None for everybody's."""
        return None if self.role is Role.ADMIN else self.name


CLIENT: Final = web.RequestKey("client", Client)
"""Where a request keeps its client, if the doors know one."""
DOUBT: Final = web.RequestKey("doubt", Refusal)
"""Where a request without a client keeps what is said to it by whatever needs one."""


def admit(request: web.Request, role: Role | None) -> None:
    """Let a request in that needs a role; None is for everybody.

    Raises:
        Refusal: There is no client, or its role does not suffice.
    """
    if role is None:
        return
    client = request.get(CLIENT)
    if client is None:
        raise request.get(DOUBT) or Refusal("auth.missing", "this needs a token: Authorization: Bearer TOKEN")
    if not client.role.covers(role):
        message = f"client {client.name} has the role {client.role}; this needs {role}"
        raise Refusal("auth.role", message, hint="an admin makes another token: nodeflow token create NAME --role ROLE")
