"""Connections that end in time: clients that send too slowly, or do not read, keep nobody else out.

A client has so long for the head of a request, and so long for its body, less when next to nothing arrives. What is no
HTTP at all gets an answer of the same form as everything else, and a line in the log instead of a traceback.
"""

import asyncio
import socket
from typing import Any, Final

from aiohttp import StreamReader, web
from aiohttp.http_exceptions import LineTooLong
from aiohttp.web_protocol import RequestHandler
from aiohttp.web_request import BaseRequest

from nodeflow.protocol.errors import Refusal
from nodeflow.server.security.headers import HEADERS
from nodeflow.server.settings import Limits

MAX_LINE: Final = 8190
MAX_FIELD: Final = 8190
MAX_HEADERS: Final = 100
MAX_HEAD: Final = 64 * 1024
"""Bytes of the first line and all headers together."""
_LAST_LOOK: Final = 2.0
"""Seconds for which what is left of a refused body is read, so that its sender sees the answer."""
_IDLE_SECONDS: Final = 75.0
_UNREAD_SECONDS: Final = 120
"""After so long without a byte being taken, the system itself ends a connection."""
_GRACE_SECONDS: Final = 10.0
_SLOWEST: Final = 1024
"""Bytes a second that a body has to come with, once the grace is over."""
_USUAL: Final = 64 * 1024
"""Bytes a second for which a long body gets further time."""


class Runner(web.AppRunner):
    """Runs an application behind connections that end in time."""

    def __init__(self, app: web.Application, limits: Limits, **options: Any) -> None:
        super().__init__(
            app,
            keepalive_timeout=_IDLE_SECONDS,
            max_line_size=MAX_LINE,
            max_field_size=MAX_FIELD,
            max_headers=MAX_HEADERS,
            auto_decompress=False,
            lingering_time=_LAST_LOOK,
            **options,
        )
        self._limits = limits

    async def _make_server(self) -> web.Server:
        plain = await super()._make_server()
        return _Porch(plain, self._limits)


class _Porch(web.Server):
    """Counts connections, and looks after all of them with one timer."""

    def __init__(self, plain: web.Server, limits: Limits) -> None:
        super().__init__(
            plain.request_handler,
            request_factory=plain.request_factory,
            handler_cancellation=plain.handler_cancellation,
            **plain._kwargs,  # pyright: ignore[reportPrivateUsage]
        )
        self.limits = limits
        self._timer: asyncio.TimerHandle | None = None

    def __call__(self) -> RequestHandler:
        return _Visitor(self, loop=self._loop, **self._kwargs)

    @property
    def full(self) -> bool:
        return len(self._connections) >= self.limits.connections

    def look_after(self) -> None:
        """Keep looking while there are connections."""
        if self._timer is None:
            self._timer = self._loop.call_later(min(1.0, self.limits.header_seconds / 4), self._look)

    def _look(self) -> None:
        self._timer = None
        now = self._loop.time()
        for visitor in self.connections:
            if isinstance(visitor, _Visitor):
                visitor.look(now)
        if self._connections:
            self.look_after()

    async def shutdown(self, timeout: float | None = None) -> None:
        await super().shutdown(timeout)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class _Visitor(RequestHandler):
    """One connection.

    It is between requests, or in the head of one, or in the body of one; the last two are timed.
    """

    __slots__ = ("_body", "_body_since", "_head_bytes", "_head_since", "_looked", "_porch", "_turned_away")

    def __init__(self, porch: _Porch, **options: Any) -> None:
        super().__init__(porch, **options)
        self._porch = porch
        self._head_since: float | None = None
        self._head_bytes = 0
        self._body: StreamReader | None = None
        self._body_since = self._looked = 0.0
        self._turned_away = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if self._porch.full and isinstance(transport, asyncio.Transport):
            self._turned_away = True
            transport.write(_raw(503, Refusal("server.busy", "too many connections; close some, or try again later")))
            transport.close()
            return
        _let_go_of_the_dead(transport)
        super().connection_made(transport)
        self._head_since = self._loop.time()
        self._porch.look_after()

    def connection_lost(self, exc: BaseException | None) -> None:
        if not self._turned_away:
            super().connection_lost(exc)
        self._body = None

    def data_received(self, data: bytes) -> None:
        if self._turned_away:
            return
        before, in_body = self._request_count, self._in_body
        super().data_received(data)
        now = self._loop.time()
        if self._request_count == before:
            # The last bytes of a body begin no head: what comes next is our answer, however long it takes. And it is no
            # byte at all with which the protocol itself asks whether there is another request behind a body.
            if data and not in_body and not self._upgraded:
                self._take_head(len(data), now)
            return
        self._head_since, self._head_bytes = None, 0
        if self._messages:
            self._body = self._messages[-1][1]
            self._body_since = self._looked = now

    def _take_head(self, length: int, now: float) -> None:
        """Counts a part of a head that is not complete."""
        if self._head_since is None:
            self._head_since = now
        self._head_bytes += length
        if self._head_bytes > MAX_HEAD:
            self._end(_too_large())

    def _end(self, refusal: Refusal) -> None:
        """Answers what will never be a request."""
        if self.transport is not None:
            self.transport.write(_raw(refusal.status, refusal))
        self.force_close()

    @property
    def _in_body(self) -> bool:
        return self._body is not None and not self._body.is_eof() and self._body.exception() is None

    def look(self, now: float) -> None:
        """End what takes too long."""
        limits = self._porch.limits
        if self._head_since is not None and self._request_in_progress:
            self._head_since = now  # the beginning of the next request; it is our turn
        if self._head_since is not None and now - self._head_since > limits.header_seconds:
            late = Refusal(
                "request.timeout", f"the head of the request was not complete in {limits.header_seconds:g} s"
            )
            if self.transport is not None:
                self.transport.write(_raw(late.status, late))
            self.force_close()
        elif self._body is not None and not self._body.is_eof():
            if self._reading_paused:  # the client waits for us
                self._body_since += now - self._looked
            elif self._is_late(now, self._body.total_raw_bytes):
                # At every look anew: who was just woken by a byte sees nothing of it, and goes on to wait for a line.
                self._body.set_exception(Refusal("request.timeout", "the body came too slowly; send it again"))
                self.close()
        self._looked = now

    def _is_late(self, now: float, received: int) -> bool:
        seconds = now - self._body_since
        allowed = self._porch.limits.body_seconds
        grace = min(_GRACE_SECONDS, allowed)
        return seconds > allowed + received / _USUAL or (seconds > grace and received < seconds * _SLOWEST)

    def handle_error(
        self,
        request: BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answers what is no HTTP; what the application itself could not answer is its own fault, and logged so."""
        if status != 400:
            return super().handle_error(request, status, exc, message)
        large = isinstance(exc, LineTooLong) or "Too many headers" in str(exc)
        refusal = _too_large() if large else Refusal("request.malformed", "this is no HTTP request that can be read")
        self.logger.info("no request from %s: %s", request.remote, refusal)
        answer = web.json_response(text=refusal.body.model_dump_json(), status=refusal.status, headers=HEADERS)
        answer.force_close()
        return answer

    def log_exception(self, *args: Any, **kw: Any) -> None:
        """Clients that are too slow are not a fault of ours."""
        if isinstance(kw.get("exc_info"), Refusal):
            self.logger.info("a connection was ended: %s", kw["exc_info"])
        else:
            super().log_exception(*args, **kw)


def _let_go_of_the_dead(transport: asyncio.BaseTransport) -> None:
    """Has the system end a connection whose other side takes nothing any more."""
    channel: socket.socket | None = transport.get_extra_info("socket")
    option: int | None = getattr(socket, "TCP_USER_TIMEOUT", None)
    if channel is not None and option is not None and channel.family in (socket.AF_INET, socket.AF_INET6):
        channel.setsockopt(socket.IPPROTO_TCP, option, _UNREAD_SECONDS * 1000)


def _too_large() -> Refusal:
    message = f"the head is too large: {MAX_HEADERS} headers, {MAX_FIELD} bytes each, {MAX_HEAD:,} bytes in all at most"
    return Refusal("request.headers", message)


def _raw(status: int, refusal: Refusal) -> bytes:
    """An answer to what has not become a request."""
    body = refusal.body.model_dump_json().encode()
    head = [f"HTTP/1.1 {status} Refused", "Content-Type: application/json", f"Content-Length: {len(body)}"]
    head += ["Connection: close", *(f"{name}: {value}" for name, value in HEADERS.items())]
    return "\r\n".join([*head, "", ""]).encode() + body
