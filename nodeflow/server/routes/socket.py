"""The WebSocket: events of many jobs, pictures of their steps, and what changes in the server itself."""

import asyncio
import struct
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Final, assert_never

from aiohttp import WSMessage, WSMsgType, web
from pydantic import JsonValue, ValidationError

from nodeflow.protocol.base import Message
from nodeflow.protocol.errors import Refusal
from nodeflow.protocol.socket import (
    FROM_CLIENT,
    ErrorSaid,
    Everything,
    Hello,
    NoticeSaid,
    Ping,
    Pong,
    Subscribe,
    Unsubscribe,
)
from nodeflow.protocol.tokens import Role
from nodeflow.server.hub import Subscription
from nodeflow.server.news import News, Notice, Picture, Told
from nodeflow.server.parts import PARTS, Parts
from nodeflow.server.routing import API, Route
from nodeflow.server.security.clients import CLIENT, Client
from nodeflow.server.streams import cut, make_room, written
from nodeflow.storage.database.failures import StorageFailed
from nodeflow.storage.database.standing import standing
from nodeflow.version import __version__

MAX_MESSAGE: Final = 128 * 1024
"""Bytes of one message of a client."""

PING_SECONDS: Final = 30.0
"""Silence after which a client is asked whether it is there; half of that again, and it is not."""

MOST_FOLLOWED: Final = 5000
MOST_ERRORS: Final = 20
_AGAIN_LATER: Final = 1013
_GOING: Final = 1001
_POLICY: Final = 1008
_HOUR: Final = 3600.0


async def socket(request: web.Request) -> web.StreamResponse:
    """Opens the WebSocket and keeps it until the client goes, stalls, or the server stops."""
    parts, client = request.app[PARTS], request[CLIENT]
    ws = web.WebSocketResponse(max_msg_size=MAX_MESSAGE, heartbeat=PING_SECONDS, compress=False, timeout=1.0)
    if not ws.can_prepare(request).ok:
        raise Refusal("request.malformed", "this place speaks WebSocket; send Upgrade: websocket")
    make_room(request, client.name)
    with parts.hub.subscribe(client.sees, who=client.name) as subscription, suppress(ConnectionError, StorageFailed):
        await ws.prepare(request)
        conversation = _Conversation(request, ws, parts, client, subscription)
        await conversation.hold()
    return ws


class _Conversation:
    """One open WebSocket: a task that tells what is new, beside the answers to what the client says."""

    def __init__(
        self, request: web.Request, ws: web.WebSocketResponse, parts: Parts, client: Client, news: Subscription
    ) -> None:
        self._request = request
        self._ws = ws
        self._parts = parts
        self._client = client
        self._subscription = news
        self._errors = 0

    async def hold(self) -> None:
        """Listens until the connection ends."""
        await self._say(
            Hello(
                instance=self._parts.hub.instance,
                version=__version__,
                client=self._client.name,
                role=self._client.role.value,
            )
        )
        telling = asyncio.create_task(self._tell(), name="websocket")
        try:
            async for message in self._ws:
                if not await self._answer(message):
                    break
        finally:
            telling.cancel()
            with suppress(asyncio.CancelledError, ConnectionError):
                await telling

    async def _tell(self) -> None:
        """Hands on what is new, until the subscription or the connection ends."""
        try:
            while not self._subscription.closed:
                for news in await self._subscription.take(_HOUR):
                    await self._write(news)
        except (ConnectionError, StorageFailed):  # it comes back, and goes on where it was
            cut(self._request)
            return
        code, why = (_AGAIN_LATER, b"too slow") if self._subscription.overrun else (_GOING, b"the server is stopping")
        await self._ws.close(code=code, message=why)

    async def _write(self, news: News) -> None:
        match news:
            case Told():
                text = b'{"type":"event","event":%b}' % news.line
                await written(self._request, self._ws.send_str(text.decode()))
            case Picture():
                head = news.head.model_dump_json().encode()
                frame = b"".join((struct.pack(">I", len(head)), head, news.body))
                await written(self._request, self._ws.send_bytes(frame))
            case Notice():
                await self._say(NoticeSaid(kind=news.kind, key=news.key, data=self._shown(news.data)))
            case _:
                assert_never(news)

    def _shown(self, data: Mapping[str, JsonValue]) -> Mapping[str, JsonValue]:
        """A notice as this client may see it: which job a worker has is not everybody's business."""
        return data if self._client.sees is None else {name: data[name] for name in data if name != "job"}

    async def _say(self, message: Message) -> None:
        await written(self._request, self._ws.send_str(message.model_dump_json()))

    async def _answer(self, message: WSMessage) -> bool:
        """Does what the client asks; False when it has talked nonsense for too long."""
        if message.type is not WSMsgType.TEXT:
            return await self._complain("request.malformed", "only JSON in text frames is understood")
        try:
            said = FROM_CLIENT.validate_json(message.data)
        except ValidationError as error:
            first = error.errors(include_url=False, include_context=False, include_input=False)[0]
            where = ".".join(map(str, first["loc"]))
            return await self._complain("request.invalid", f"{where}: {first['msg']}" if where else first["msg"])
        match said:
            case Ping():
                await self._say(Pong(id=said.id))
            case Everything():
                self._subscription.everything = True
            case Unsubscribe():
                for job in said.jobs:
                    self._subscription.unfollow(job)
            case Subscribe():
                await self._subscribe(said.jobs)
            case _:
                assert_never(said)
        return True

    async def _subscribe(self, wanted: Mapping[str, int]) -> None:
        """Follows what is there; of the rest it says why not."""
        if self._subscription.following + len(wanted) > MOST_FOLLOWED:
            await self._complain("request.invalid", f"at most {MOST_FOLLOWED} jobs are followed by one connection")
            return
        there = await self._parts.store.read(lambda c: standing(c, wanted, self._client.sees))
        for job, after in wanted.items():
            if job in there:
                self._subscription.follow(job, after)
            else:
                await self._say(ErrorSaid(code="job.unknown", message=f"there is no job {job}", job=job))

    async def _complain(self, code: str, message: str) -> bool:
        self._errors += 1
        await self._say(ErrorSaid(code=code, message=message))
        if self._errors < MOST_ERRORS:
            return True
        await self._ws.close(code=_POLICY, message=b"too many messages that make no sense")
        return False


ROUTES: Final[Sequence[Route]] = (
    Route(
        "GET",
        f"{API}/ws",
        socket,
        Role.READ,
        "A WebSocket with the events of many jobs, previews and changes of the server",
        status=101,
        refusals=("request.malformed", "server.busy"),
        tag="events",
    ),
)
