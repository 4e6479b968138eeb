"""The doors: every request passes them before anything else looks at it.

A request has to name a host that is this server, come from no foreign page, and, if it changes something, be of a kind
that no page can send unasked. What it may do is asked by ``admit`` once its route is known.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from aiohttp import HttpVersion11, hdrs, web
from aiohttp.typedefs import Handler, Middleware

from nodeflow.core.errors import UsageError
from nodeflow.protocol.errors import Refusal
from nodeflow.protocol.tokens import Role
from nodeflow.server.security.clients import CLIENT, DOUBT, LOCAL, Client
from nodeflow.server.security.headers import HEADERS
from nodeflow.server.security.hosts import Hosts, is_loopback
from nodeflow.server.security.tokens import Tokens
from nodeflow.server.settings import ServerSettings

COOKIE: Final = "nodeflow"
_READING: Final = frozenset({hdrs.METH_GET, hdrs.METH_HEAD, hdrs.METH_OPTIONS})
_PREFLIGHT: Final[Mapping[str, str]] = {
    hdrs.ACCESS_CONTROL_ALLOW_METHODS: "GET, HEAD, POST, PUT, PATCH, DELETE",
    hdrs.ACCESS_CONTROL_ALLOW_HEADERS: (
        "Authorization, Content-Type, Idempotency-Key, If-Match, If-None-Match, If-Range, Last-Event-ID, Range"
    ),
    hdrs.ACCESS_CONTROL_MAX_AGE: "600",
}
"""What a browser is told that asks first whether a page of a listed origin may send something."""
_PAGE: Final = "/"
"""Where a browser at this machine gets its cookie."""
_FORWARDING: Final = ("Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Real-IP", "Via")
_SHOWN: Final = 100
_AROUND: Final = 2**20
"""Bytes that a form may have beside its file."""
_JSON: Final = "application/json"
_FILES: Final = "files are sent as application/octet-stream or multipart/form-data, with a token"
_WITH_TOKEN: Final = frozenset({"multipart/form-data", "application/octet-stream"})


@dataclass(frozen=True, slots=True)
class Doors:
    """What is asked of every request.

    Its middlewares raise ``Refusal``; the one that answers refusals goes before them.
    """

    settings: ServerSettings
    tokens: Tokens

    def check(self) -> None:
        """Finds out before the port is opened whether it may be.

        Raises:
            UsageError: Others could reach this server, and there is no token.
        """
        if not is_loopback(self.settings.host) and not self.tokens.any:
            raise UsageError(
                f"the host {self.settings.host} can be reached from other machines, and there is no token yet; make one"
                " with: nodeflow token create NAME --role admin"
            )

    def guard(self, app: web.Application) -> None:
        """Put the headers on everything that an application answers."""
        app.on_response_prepare.append(self._send_headers)

    @property
    def middlewares(self) -> tuple[Middleware, ...]:
        """What requests pass, outermost first."""
        return (self._middleware,)

    @web.middleware
    async def _middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        hosts = Hosts.of(request, self.settings)
        hosts.check_host()
        hosts.check_origin()
        if request.method == hdrs.METH_OPTIONS and hdrs.ACCESS_CONTROL_REQUEST_METHOD in request.headers:
            return web.Response(status=204, headers=_PREFLIGHT)  # the page is a listed one, or ours
        self._identify(request, hosts)
        self._check_kind(request)
        answer = await handler(request)
        client = request.get(CLIENT)
        if request.path == _PAGE and client is not None and not client.proven and not answer.prepared:
            self.give_cookie(answer, client)
        return answer

    def give_cookie(self, response: web.StreamResponse, client: Client) -> None:
        """Make a browser known from now on."""
        response.set_cookie(COOKIE, self.tokens.cookie(client), httponly=True, samesite="Strict", path="/")

    def _identify(self, request: web.Request, hosts: Hosts) -> None:
        authorization = request.headers.get(hdrs.AUTHORIZATION)
        cookie = request.cookies.get(COOKIE)
        known: Client | None = None
        if authorization is not None:
            scheme, _, token = authorization.partition(" ")
            known = self.tokens.client(token.strip()) if scheme.lower() == "bearer" else None
        elif cookie is not None:
            known = self.tokens.client_of_cookie(cookie)
        if known is None and authorization is None and self._is_at_home(request, hosts):
            known = Client(LOCAL, Role.ADMIN, proven=False)
        if known is not None:
            request[CLIENT] = known
        elif authorization is not None:
            request[DOUBT] = Refusal("auth.refused", "this token is unknown or was revoked")
        else:
            request[DOUBT] = Refusal(
                "auth.missing",
                "this server asks for a token: Authorization: Bearer TOKEN",
                hint="nodeflow token create NAME makes one; a browser gives it at /login",
            )

    def _is_at_home(self, request: web.Request, hosts: Hosts) -> bool:
        """Whether somebody at this machine asks a server that is for this machine alone."""
        if self.settings.require_token or self.tokens.made or not is_loopback(self.settings.host):
            return False
        # A proxy says so in a header; the one that does not speaks HTTP/1.0 unless it is told otherwise.
        forwarded = request.version < HttpVersion11 or any(name in request.headers for name in _FORWARDING)
        return hosts.names_loopback and is_loopback(request.remote or "") and not forwarded

    def _check_kind(self, request: web.Request) -> None:
        """What changes something is JSON, which no page can send unasked, or comes with a token."""
        if hdrs.CONTENT_ENCODING in request.headers:
            raise Refusal("request.media-type", "compressed bodies are not taken; send it as it is")
        if request.method in _READING or not (request.body_exists or hdrs.CONTENT_TYPE in request.headers):
            return
        said, kind = request.headers.get(hdrs.CONTENT_TYPE, ""), request.content_type
        if not said.lower().startswith(kind):  # none, or one that cannot be read
            kind = said[:_SHOWN] or "of no kind"
        limits = self.settings.limits
        most = limits.body if kind == _JSON else limits.upload + _AROUND
        if (request.content_length or 0) > most:
            raise Refusal(
                "request.too-large", f"the body has {request.content_length:,} bytes; at most {most:,} are taken"
            )
        if kind == _JSON:
            return
        if kind not in _WITH_TOKEN:
            raise Refusal("request.media-type", f"the body is {kind}; expected {_JSON}", hint=_FILES)
        client = request.get(CLIENT)
        if client is not None and not client.proven:
            raise Refusal(
                "auth.missing",
                f"a body of {kind} needs a token: Authorization: Bearer TOKEN",
                hint="on this machine it is in the file server.token in $NODEFLOW_HOME",
            )

    async def _send_headers(self, request: web.Request, response: web.StreamResponse) -> None:
        for name, value in HEADERS.items():
            response.headers.setdefault(name, value)
        origin = request.headers.get(hdrs.ORIGIN)
        if origin is not None and origin in self.settings.origins:
            response.headers[hdrs.ACCESS_CONTROL_ALLOW_ORIGIN] = origin
            response.headers[hdrs.ACCESS_CONTROL_EXPOSE_HEADERS] = "ETag, Location, Retry-After, Content-Range"
            response.headers.add(hdrs.VARY, hdrs.ORIGIN)
        response.headers.popall(hdrs.SERVER, None)
