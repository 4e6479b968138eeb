"""Requests without any help: what came back, or that the connection was lost."""

from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from aiohttp import ClientError, ClientSession, ClientTimeout, TCPConnector

_JSON = {"Content-Type": "application/json"}
"""Also where there is no body: what changes something has to say that it is no form of a page."""


class Lost(Exception):
    """Nobody answered, so nobody knows whether the request was carried out."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back; the body is empty where it is no JSON."""

    status: int
    body: Any

    @property
    def code(self) -> str:
        """The code of a refusal."""
        return self.body.get("code", "") if isinstance(self.body, dict) else ""


class Asking:
    """A client of a server that may vanish at any moment."""

    def __init__(self, url: str, connections: int = 100) -> None:
        self._url = url
        self._session = ClientSession(
            connector=TCPConnector(limit=connections), timeout=ClientTimeout(60), headers=_JSON
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._session.close()

    async def get(self, path: str) -> Reply:
        return await self.ask("GET", path)

    async def post(self, path: str, body: Any = None) -> Reply:
        return await self.ask("POST", path, body)

    async def ask(self, method: str, path: str, body: Any = None) -> Reply:
        """One request.

        Raises:
            Lost: No whole answer came.
        """
        try:
            async with self._session.request(method, self._url + path, json=body) as response:
                data = await response.json() if "json" in response.content_type else {}
                return Reply(response.status, data)
        except (ClientError, OSError, TimeoutError) as error:
            raise Lost(repr(error)) from error
