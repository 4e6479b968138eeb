"""Who may use the server. Of a token only its digest is kept."""

from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, insert, select, update

from nodeflow.core.errors import NodeflowError
from nodeflow.storage.database.tables import tokens


@dataclass(frozen=True, slots=True)
class Token:
    """A name, what it may do, and the sha256 of what proves it."""

    name: str
    role: str
    digest: bytes
    created: float
    last_used: float | None = None
    revoked: float | None = None


class TokenExists(NodeflowError):
    """The name is taken, be it by a revoked token: a client's jobs must never become another's."""

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(
            f"there is, or was, a token named {name} → choose another name, or replace that token: "
            f"nodeflow token rotate {name}"
        )


_COLUMNS: Final = (
    tokens.c.name,
    tokens.c.role,
    tokens.c.digest,
    tokens.c.created,
    tokens.c.last_used,
    tokens.c.revoked,
)


def add(connection: Connection, token: Token) -> None:
    """Keeps a new token.

    Raises:
        TokenExists: Its name is taken.
    """
    if connection.execute(select(tokens.c.name).where(tokens.c.name == token.name)).first() is not None:
        raise TokenExists(token.name)
    connection.execute(
        insert(tokens),
        {
            "name": token.name,
            "role": token.role,
            "digest": token.digest,
            "created": token.created,
            "last_used": token.last_used,
            "revoked": token.revoked,
        },
    )


def listed(connection: Connection) -> tuple[Token, ...]:
    """All tokens, the revoked ones too, by name."""
    return tuple([Token(*row) for row in connection.execute(select(*_COLUMNS).order_by(tokens.c.name))])


def revoke(connection: Connection, name: str, now: float) -> bool:
    """Makes a token worthless; False when there is no valid one of this name."""
    done = connection.execute(
        update(tokens).where(tokens.c.name == name, tokens.c.revoked.is_(None)).values(revoked=now)
    )
    return done.rowcount == 1


def rotate(connection: Connection, name: str, digest: bytes, now: float) -> Token | None:
    """Replaces what proves a token, be it a revoked one, which counts again; None when there is none of this name."""
    fresh = {"digest": digest, "created": now, "last_used": None, "revoked": None}
    row = connection.execute(update(tokens).where(tokens.c.name == name).values(fresh).returning(*_COLUMNS)).first()
    return None if row is None else Token(*row)


def used(connection: Connection, name: str, now: float) -> None:
    """Notes when a token was used last."""
    connection.execute(update(tokens).where(tokens.c.name == name).values(last_used=now))
