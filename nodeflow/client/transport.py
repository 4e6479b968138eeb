"""Requests to a server: tried again where that is safe, refusals as exceptions, answers as messages."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from aiohttp import ClientConnectorError, ClientError, ClientResponse, ClientSession, ClientTimeout
from pydantic import BaseModel, TypeAdapter, ValidationError

from nodeflow.client.address import Address
from nodeflow.client.errors import Misunderstood, Refused, RefusedForNow, Unreachable, refused
from nodeflow.protocol.errors import ErrorBody
from nodeflow.version import __version__

T = TypeVar("T")

_CONNECT: Final = 10.0
_SILENCE: Final = 60.0
_FIRST_PAUSE: Final = 0.1
_LONGEST_PAUSE: Final = 2.0
_COMING_BACK: Final = frozenset({"server.starting", "server.stopping"})
LOST: Final = (ClientError, ConnectionError, TimeoutError)
"""What a connection that breaks, or falls silent, is told by."""


@dataclass(frozen=True, slots=True)
class Ask:
    """One request.

    Attributes:
        path: Below the address, with its first slash.
        query: What stands behind the question mark; None leaves a name out.
        body: A message, or plain data for JSON.
        data: Gives a body that is no JSON, once for every try.
        repeatable: Asking twice does no more than asking once.
        silence: Seconds without a byte after which the connection counts as lost.
    """

    method: str
    path: str
    query: Mapping[str, object] = field(default_factory=dict[str, object])
    body: object = None
    data: Callable[[], object] | None = None
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    repeatable: bool = False
    silence: float = _SILENCE

    def keywords(self) -> dict[str, Any]:
        """The request as aiohttp takes it."""
        query = {name: _plain(value) for name, value in self.query.items() if value is not None}
        made: dict[str, Any] = {"params": query, "headers": dict(self.headers)}
        if isinstance(self.body, BaseModel):
            made["data"] = self.body.model_dump_json(exclude_defaults=True).encode()
            made["headers"]["Content-Type"] = "application/json"
        elif self.body is not None:
            made["json"] = self.body
        elif self.data is not None:
            made["data"] = self.data()
        return made


class Transport:
    """A session of connections to one server.

    A server that has answered before is waited for when it goes away, ``patience`` seconds long; one that never did
    is not there.
    """

    def __init__(self, address: Address, patience: float) -> None:
        self.address = address
        self._patience = patience
        self._met = False
        self._session: ClientSession | None = None

    async def aclose(self) -> None:
        """Ends all connections."""
        if self._session is not None:
            await self._session.close()

    async def ask(self, ask: Ask, answer: type[T]) -> T:
        """The answer to a request, as a message.

        Raises:
            Refused: The server said no.
            Unreachable: There is no server.
            Misunderstood: The answer is none of a nodeflow server of this version.
        """
        async with self.opened(ask) as response:
            data = await response.read()
        try:
            return TypeAdapter(answer).validate_json(data)
        except ValidationError as error:
            raise self._misunderstood(ask, str(error.errors(include_url=False)[0]["msg"])) from error

    async def do(self, ask: Ask) -> None:
        """A request whose answer says nothing more."""
        async with self.opened(ask) as response:
            await response.read()

    @asynccontextmanager
    async def opened(self, ask: Ask) -> AsyncGenerator[ClientResponse]:
        """An answer whose body is still to be read; the connection may break while it is."""
        response = await self._answered(ask)
        async with response:
            yield response

    async def _answered(self, ask: Ask) -> ClientResponse:
        waiting = Patience(self._patience)
        while True:
            try:
                response = await self._sent(ask)
                self._met = True
                if response.status < 400:
                    return response
                raise await self._refusal(ask, response)
            except RefusedForNow as error:
                if error.code not in _COMING_BACK or not await waiting.again(error.retry_after):
                    raise
            except LOST as error:
                unsent = isinstance(error, ClientConnectorError)
                again = self._met and (unsent or ask.repeatable)
                if not again or not await waiting.again():
                    raise self._unreachable(error, unsent=unsent) from error

    async def _sent(self, ask: Ask) -> ClientResponse:
        if self._session is None:
            agent = {"User-Agent": f"nodeflow/{__version__}", **self.address.headers}
            self._session = ClientSession(headers=agent, auto_decompress=True)
        timeout = ClientTimeout(total=None, sock_connect=_CONNECT, sock_read=ask.silence)
        url = self.address.url + ask.path
        return await self._session.request(ask.method, url, timeout=timeout, allow_redirects=False, **ask.keywords())

    async def _refusal(self, ask: Ask, response: ClientResponse) -> Refused:
        async with response:
            data = await response.read()
        try:
            body = ErrorBody.model_validate_json(data)
        except ValidationError as error:
            raise self._misunderstood(ask, f"HTTP {response.status} without an error of ours") from error
        return refused(response.status, body, _seconds(response.headers.get("Retry-After")))

    def _misunderstood(self, ask: Ask, why: str) -> Misunderstood:
        return Misunderstood(
            f"{self.address.url} answered {ask.method} {ask.path} with something that nodeflow {__version__} does not "
            f"understand ({why}); is it a nodeflow server, and of this version?"
        )

    def _unreachable(self, error: Exception, *, unsent: bool) -> Unreachable:
        if unsent and not self._met:
            way = "start one with `nodeflow serve`, or name another with --server or $NODEFLOW_SERVER"
            return Unreachable(f"no server answers at {self.address.url} ({self.address.source}): {way}")
        return Unreachable(f"the connection to {self.address.url} was lost: {str(error) or type(error).__name__}")


class Patience:
    """Pauses between tries that grow, and end when the time is up."""

    def __init__(self, seconds: float) -> None:
        self._end = asyncio.get_running_loop().time() + seconds
        self._pause = _FIRST_PAUSE

    async def again(self, pause: float | None = None) -> bool:
        """Waits, and says whether there is time for another try."""
        chosen = min(self._pause if pause is None else pause, _LONGEST_PAUSE)
        if asyncio.get_running_loop().time() + chosen > self._end:
            return False
        await asyncio.sleep(chosen)
        self._pause *= 2
        return True


def _plain(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _seconds(text: str | None) -> float | None:
    try:
        return None if text is None else max(0.0, float(text))
    except ValueError:  # a date, which our servers do not send
        return None
