"""Tokens, as an admin makes, replaces and revokes them, and the cookie that a browser gets for one."""

import time
from collections.abc import Sequence
from typing import Final

from aiohttp import web

from nodeflow.protocol.errors import Refusal
from nodeflow.protocol.tokens import Login, Me, Role, TokenInfo, TokenMade, TokenPage, TokenRequest
from nodeflow.server.answers import answered
from nodeflow.server.parts import PARTS
from nodeflow.server.routing import API, Route, body_of
from nodeflow.server.security.clients import CLIENT, LOCAL
from nodeflow.server.security.doors import COOKIE
from nodeflow.server.security.tokens import digest_of, new_token
from nodeflow.storage.database import tokens
from nodeflow.storage.database.tokens import Token, TokenExists


async def _list(request: web.Request) -> TokenPage:
    parts = request.app[PARTS]
    await parts.doors.tokens.keep_uses(parts.store)
    found = await parts.store.read(tokens.listed)
    return TokenPage(tokens=tuple(map(_info, found)))


async def _make(request: web.Request) -> TokenMade:
    asked = body_of(request, TokenRequest)
    if asked.name == LOCAL:
        raise Refusal("token.exists", f"{LOCAL} is the user of this machine; choose another name")
    parts, secret = request.app[PARTS], new_token()
    token = Token(asked.name, asked.role, digest_of(secret), time.time())
    try:
        await parts.store.write(lambda connection: tokens.add(connection, token))
    except TokenExists as error:
        raise Refusal("token.exists", str(error)) from None
    await parts.doors.tokens.load(parts.store)
    return TokenMade(**_info(token).model_dump(), token=secret)


async def _rotate(request: web.Request) -> TokenMade:
    parts, name, secret = request.app[PARTS], request.match_info["name"], new_token()
    digest, now = digest_of(secret), time.time()
    token = await parts.store.write(lambda connection: tokens.rotate(connection, name, digest, now))
    if token is None:
        raise Refusal("token.unknown", f"there is, and was, no token named {name[:100]!r}")
    await parts.doors.tokens.load(parts.store)
    parts.hub.dismiss(name)
    return TokenMade(**_info(token).model_dump(), token=secret)


async def _revoke(request: web.Request) -> None:
    parts, name = request.app[PARTS], request.match_info["name"]
    if not await parts.store.write(lambda connection: tokens.revoke(connection, name, time.time())):
        raise Refusal("token.unknown", f"there is no valid token named {name[:100]!r}")
    await parts.doors.tokens.load(parts.store)
    parts.hub.dismiss(name)


async def _log_in(request: web.Request) -> web.Response:
    doors = request.app[PARTS].doors
    client = doors.tokens.client(body_of(request, Login).token.strip())
    if client is None:
        raise Refusal("auth.refused", "this token is unknown or was revoked")
    answer = answered(Me(client=client.name, role=client.role))
    doors.give_cookie(answer, client)
    return answer


async def _log_out(_: web.Request) -> web.Response:
    answer = web.Response(status=204)
    answer.del_cookie(COOKIE, path="/", httponly=True, samesite="Strict")
    return answer


async def _me(request: web.Request) -> Me:
    client = request.get(CLIENT)
    return Me(login=True) if client is None else Me(client=client.name, role=client.role)


def _info(token: Token) -> TokenInfo:
    return TokenInfo(
        name=token.name,
        role=Role(token.role),
        created=token.created,
        last_used=token.last_used,
        revoked=token.revoked,
    )


ROUTES: Final[Sequence[Route]] = (
    Route("GET", f"{API}/tokens", _list, Role.ADMIN, "List tokens", answer=TokenPage, tag="tokens"),
    Route(
        "POST",
        f"{API}/tokens",
        _make,
        Role.ADMIN,
        "Make a token; it is shown this once",
        body=TokenRequest,
        answer=TokenMade,
        status=201,
        refusals=("token.exists", "server.storage"),
        tag="tokens",
    ),
    Route(
        "POST",
        f"{API}/tokens/{{name}}/rotate",
        _rotate,
        Role.ADMIN,
        "Replace a token, a revoked one too, by a new one for the same client; it is shown this once",
        answer=TokenMade,
        refusals=("token.unknown", "server.storage"),
        tag="tokens",
    ),
    Route(
        "DELETE",
        f"{API}/tokens/{{name}}",
        _revoke,
        Role.ADMIN,
        "Revoke a token",
        status=204,
        refusals=("token.unknown", "server.storage"),
        tag="tokens",
    ),
    Route(
        "POST",
        f"{API}/login",
        _log_in,
        None,
        "Give a token for a cookie",
        body=Login,
        answer=Me,
        refusals=("auth.refused",),
        tag="tokens",
    ),
    Route("POST", f"{API}/logout", _log_out, None, "Give the cookie back", status=204, tag="tokens"),
    Route("GET", f"{API}/me", _me, None, "Show who you are here", answer=Me, tag="tokens"),
)
