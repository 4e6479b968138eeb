"""``nodeflow token``: who may use a server."""

import argparse
import os
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Final, Protocol

from nodeflow.cli import wire
from nodeflow.cli.messages import printable
from nodeflow.client import Client
from nodeflow.core.errors import UsageError
from nodeflow.protocol.tokens import Role, TokenInfo, TokenMade, TokenPage, TokenRequest
from nodeflow.server.security.clients import LOCAL
from nodeflow.server.security.tokens import digest_of, new_token
from nodeflow.storage.database import tokens
from nodeflow.storage.database.opening import InUse
from nodeflow.storage.database.store import Store
from nodeflow.storage.database.tokens import Token, TokenExists
from nodeflow.storage.home import find_home

_ROLES: Final = "read: look; run: run jobs of its own, and see these only; admin: everything (default: run)"
_ROTATE: Final = "replace a token, a revoked one too, and print the new one; the client keeps its jobs and files"
_SERVER: Final = "a server elsewhere (default: the one of this home, whether it runs or not)"


class Tokens(Protocol):
    """Where tokens are kept: on a server, or in the database of one that does not run."""

    def tokens(self) -> TokenPage:
        """All tokens."""
        ...

    def create_token(self, name: str, role: Role, /) -> TokenMade:
        """Makes one."""
        ...

    def rotate_token(self, name: str, /) -> TokenMade:
        """Replaces one."""
        ...

    def revoke_token(self, name: str, /) -> None:
        """Makes one worthless."""
        ...


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare options."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION", title="actions")
    create = actions.add_parser("create", help="make a token and print it, this once", allow_abbrev=False)
    create.add_argument("name", metavar="NAME", help="who holds it; jobs and files are kept under this name")
    create.add_argument("--role", choices=[role.value for role in Role], default=Role.RUN.value, help=_ROLES)
    listed = actions.add_parser("list", help="list tokens, the revoked ones too", allow_abbrev=False)
    rotate = actions.add_parser("rotate", help=_ROTATE, allow_abbrev=False)
    revoke = actions.add_parser("revoke", help="make a token worthless, at once", allow_abbrev=False)
    for action in (rotate, revoke):
        action.add_argument("name", metavar="NAME", help="who holds it")
    for action in (create, listed, rotate, revoke):
        wire.add_server(action, _SERVER)
        action.add_argument("--json", action="store_true", help="print one JSON object")


def execute(args: argparse.Namespace) -> int:
    """Does what is asked for, on a running server or in its database."""
    act = _ACTIONS[args.action]
    if args.server is None:
        with suppress(InUse):
            store = Store.open(find_home(os.environ).database)
            try:
                return act(_Kept(store), args)
            finally:
                store.close()
    with Client(args.server) as client:
        return act(client, args)


def _create(place: Tokens, args: argparse.Namespace) -> int:
    asked = wire.message(TokenRequest, name=args.name, role=args.role)
    return _tell(place.create_token(asked.name, asked.role), args)


def _rotate(place: Tokens, args: argparse.Namespace) -> int:
    return _tell(place.rotate_token(args.name), args)


def _tell(made: TokenMade, args: argparse.Namespace) -> int:
    if args.json:
        print(made.model_dump_json())
        return 0
    print(f"{made.name} may {made.role} with this token; it is shown this once:", file=sys.stderr)
    print(made.token)
    return 0


def _list(place: Tokens, args: argparse.Namespace) -> int:
    page = place.tokens()
    if args.json:
        print(page.model_dump_json())
        return 0
    width = max((len(token.name) for token in page.tokens), default=0)
    for token in page.tokens:
        revoked = f", revoked {_day(token.revoked)}" if token.revoked is not None else ""
        used = f"used {_day(token.last_used)}" if token.last_used is not None else "never used"
        print(printable(f"{token.name:<{width}}  {token.role:<5}  made {_day(token.created)}, {used}{revoked}"))
    return 0


def _revoke(place: Tokens, args: argparse.Namespace) -> int:
    place.revoke_token(args.name)
    return 0


def _day(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).date().isoformat()


_ACTIONS: Final[Mapping[str, Callable[[Tokens, argparse.Namespace], int]]] = MappingProxyType(
    {"create": _create, "list": _list, "rotate": _rotate, "revoke": _revoke}
)


class _Kept:
    """The tokens in the database of a server that does not run."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def tokens(self) -> TokenPage:
        """All tokens."""
        return TokenPage(tokens=tuple(map(_info, self._store.read_now(tokens.listed))))

    def create_token(self, name: str, role: Role, /) -> TokenMade:
        """Makes one.

        Raises:
            UsageError: The name is taken, or that of the machine's own user.
        """
        if name == LOCAL:
            raise UsageError(f"{LOCAL} is the user of this machine; choose another name")
        secret = new_token()
        token = Token(name, role, digest_of(secret), time.time())
        try:
            self._store.write_now(lambda connection: tokens.add(connection, token))
        except TokenExists as error:
            raise UsageError(str(error)) from None
        return TokenMade(**_info(token).model_dump(), token=secret)

    def rotate_token(self, name: str, /) -> TokenMade:
        """Replaces one.

        Raises:
            UsageError: There is none, and was none.
        """
        secret, now = new_token(), time.time()
        token = self._store.write_now(lambda connection: tokens.rotate(connection, name, digest_of(secret), now))
        if token is None:
            raise UsageError(f"there is, and was, no token named {name!r}; `nodeflow token list` lists them")
        return TokenMade(**_info(token).model_dump(), token=secret)

    def revoke_token(self, name: str, /) -> None:
        """Makes one worthless.

        Raises:
            UsageError: There is none.
        """
        if not self._store.write_now(lambda connection: tokens.revoke(connection, name, time.time())):
            raise UsageError(f"there is no valid token named {name!r}; `nodeflow token list` lists them")


def _info(token: Token) -> TokenInfo:
    return TokenInfo.model_validate(token, from_attributes=True)
