"""A whole server behind a real port, without workers, for tests that ask it from outside."""

import asyncio
import http.client
import json
import logging
import socket
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

from aiohttp import web

from nodeflow.protocol.tokens import Role
from nodeflow.server.app import make_app
from nodeflow.server.assembly import assembled
from nodeflow.server.equipment import Equipment
from nodeflow.server.parts import Parts
from nodeflow.server.security.connections import Runner
from nodeflow.server.security.tokens import digest_of, new_token
from nodeflow.server.settings import ServerSettings
from nodeflow.storage.database import tokens
from nodeflow.storage.database.tokens import Token
from nodeflow.storage.home import Home

API = "/api/v1"


@dataclass
class Answer:
    """What came back."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def code(self) -> str:
        """The code of a refusal; empty for everything else."""
        return self.json.get("code", "") if self.status >= 400 and self.body else ""


@dataclass
class Port:
    """A port on which a server listens, of this process or of another."""

    port: int

    def ask(
        self,
        method: str,
        path: str,
        body: bytes | dict[str, Any] | None = None,
        *,
        token: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> Answer:
        """One request; a dictionary is sent as JSON."""
        sent = {"Host": f"127.0.0.1:{self.port}"} | (headers or {})
        if token is not None:
            sent["Authorization"] = f"Bearer {token}"
        if isinstance(body, dict):
            sent = {"Content-Type": "application/json"} | sent
            body = json.dumps(body).encode()
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
            for name, value in sent.items():
                connection.putheader(name, value)
            if body is not None and "Transfer-Encoding" not in sent:
                connection.putheader("Content-Length", str(len(body)))
            connection.endheaders(body)
            response = connection.getresponse()
            found = response.read()
            return Answer(response.status, {name.lower(): value for name, value in response.getheaders()}, found)
        finally:
            connection.close()

    def get(self, path: str, **options: Any) -> Answer:
        return self.ask("GET", path, **options)

    def raw(self, data: bytes, *, seconds: float = 10.0) -> bytes:
        """What comes back until the server closes the connection."""
        with self.connected(seconds) as connection:
            connection.sendall(data)
            return read_all(connection)

    def connected(self, seconds: float = 10.0) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=seconds)


def read_answer(connection: socket.socket) -> bytes:
    """One whole answer; the connection may stay open behind it."""
    found = b""
    while b"\r\n\r\n" not in found:
        found += connection.recv(65536)
    length = int(found.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
    while len(found.partition(b"\r\n\r\n")[2]) < length:
        found += connection.recv(65536)
    return found


@dataclass
class Server(Port):
    """A server that listens in this process."""

    home: Home
    parts: Parts
    loop: asyncio.AbstractEventLoop
    faults: list[logging.LogRecord] = field(default_factory=list)

    def put(self, name: str, body: bytes, query: str = "", **options: Any) -> Answer:
        """Sends a file, with the token of the installation unless another is given."""
        headers = {"Content-Type": "application/octet-stream"} | options.pop("headers", {})
        options.setdefault("token", self.token)
        return self.ask("PUT", f"{API}/files/{quote(name)}{query}", body, headers=headers, **options)

    @property
    def token(self) -> str:
        """That of the installation."""
        return self.parts.doors.tokens.install

    def make_token(self, name: str, role: Role) -> str:
        """A token of a client."""
        secret = new_token()
        self.do(self.parts.store.write(lambda c: tokens.add(c, Token(name, role, digest_of(secret), time.time()))))
        self.do(self.parts.doors.tokens.load(self.parts.store))
        return secret

    def do(self, work: Any) -> Any:
        """Carries out something on the server's loop."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(20)


def read_all(connection: socket.socket) -> bytes:
    found = b""
    try:
        while piece := connection.recv(65536):
            found += piece
    except ConnectionResetError:
        return found
    return found


class _Listening(logging.Handler):
    """Notes tracebacks and faults."""

    def __init__(self, faults: list[logging.LogRecord]) -> None:
        super().__init__()
        self.faults = faults

    def emit(self, record: logging.LogRecord) -> None:
        if record.exc_info or record.levelno >= logging.ERROR:
            self.faults.append(record)


@contextmanager
def served(folder: Path, settings: ServerSettings | None = None):
    """A server at a free port with a home of its own; what it logged as a fault is a failure at the end."""
    chosen = settings or ServerSettings(port=0, workers="cpu")
    ready: threading.Event = threading.Event()
    found: dict[str, Any] = {}

    async def run() -> None:
        home = Home(folder)
        async with assembled(chosen, home, Equipment()) as parts:
            runner = Runner(make_app(parts), chosen.limits, access_log=None)
            await runner.setup()
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            port = runner.addresses[0][1]
            stopping = asyncio.Event()
            found.update(
                server=Server(port, home, parts, asyncio.get_running_loop()),
                stop=stopping,
            )
            ready.set()
            await stopping.wait()
            await runner.cleanup()

    def begin() -> None:
        try:
            asyncio.run(run())
        except BaseException as error:
            found["error"] = error
            ready.set()

    thread = threading.Thread(target=begin, daemon=True)
    thread.start()
    ready.wait(20)
    if "error" in found:
        raise found["error"]
    server: Server = found["server"]
    handler = _Listening(server.faults)
    logging.getLogger().addHandler(handler)
    try:
        yield server
    finally:
        server.loop.call_soon_threadsafe(found["stop"].set)
        thread.join(20)
        logging.getLogger().removeHandler(handler)
    if "error" in found:
        raise found["error"]
    assert [record.getMessage() for record in server.faults] == []
