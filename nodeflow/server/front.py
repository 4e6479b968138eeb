"""The open port: it answers before there is anything behind it, and hands over to the application in one step."""

import asyncio
import errno
import socket
from typing import Final

from aiohttp import web
from aiohttp.web_protocol import RequestHandler

from nodeflow.core.errors import UsageError
from nodeflow.protocol.errors import Refusal
from nodeflow.server.answers import refused
from nodeflow.server.security.connections import Runner
from nodeflow.server.security.headers import HEADERS
from nodeflow.server.settings import ServerSettings

_BACKLOG: Final = 1024
_LAST_ANSWERS: Final = 2.0
"""Seconds that answers in transmission get when the server stops."""


class Front:
    """Listens on a port."""

    def __init__(self, settings: ServerSettings) -> None:
        self._settings = settings
        self._runner: Runner | None = None
        self._server: asyncio.Server | None = None

    async def open(self) -> str:
        """Takes the port, once; from now on liveness is answered, and everything else is told to come back soon.

        Returns:
            The address to open.

        Raises:
            UsageError: The port is taken, or is not this machine's.
        """
        if self._server is None:
            self._server = await self._listening()
        return _url(self._server.sockets[0])

    async def _listening(self) -> asyncio.Server:
        if self._runner is None:
            await self.show(_waiting_room())
        host, port = self._settings.host, self._settings.port
        loop = asyncio.get_running_loop()
        try:
            return await loop.create_server(self._visitor, host, port, backlog=_BACKLOG)
        except OSError as error:
            await self.close()
            raise UsageError(f"cannot listen on {host}:{port}: {_reason(error)}; choose another with --port") from error

    async def show(self, app: web.Application) -> None:
        """Answers with this application from the next connection on."""
        before, self._runner = (
            self._runner,
            Runner(app, self._settings.limits, access_log=None, shutdown_timeout=_LAST_ANSWERS),
        )
        try:
            await self._runner.setup()
        except BaseException:
            self._runner = before
            raise
        if before is not None:
            await before.cleanup()

    async def close(self) -> None:
        """Takes no more connections, and ends those that there are."""
        if self._server is not None:
            self._server.close()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None
        self._server = None

    def _visitor(self) -> RequestHandler:
        server = self._runner.server if self._runner is not None else None
        if server is None:
            raise ConnectionAbortedError("the server has stopped")
        return server()


def _waiting_room() -> web.Application:
    app = web.Application()
    app.router.add_get("/healthz", _alive)
    app.router.add_route("*", "/{path:.*}", _come_back)
    return app


async def _alive(_: web.Request) -> web.Response:
    answer = web.json_response({"status": "ok"}, headers=HEADERS)
    answer.force_close()
    return answer


async def _come_back(_: web.Request) -> web.Response:
    answer = refused(Refusal("server.starting", "the server is starting; try again in a second", retry_after=1))
    answer.headers.update(HEADERS)
    answer.force_close()
    return answer


def _url(listening: socket.socket) -> str:
    host, port = listening.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _reason(error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return "something listens there already"
    return error.strerror or str(error)
