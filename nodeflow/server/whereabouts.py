"""Where the files of a server are, which only admins are told: for others its home is called ``$NODEFLOW_HOME``."""

import json
from pathlib import Path
from typing import Final, TypeVar

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from nodeflow.protocol.base import Message
from nodeflow.server.security.clients import CLIENT

M = TypeVar("M", bound=Message)

_NAME: Final = b"$NODEFLOW_HOME"
_JSON: Final = "application/json"


def discreet(home: Path) -> Middleware:
    """Keeps the path of the home out of what is answered to whoever is no admin."""
    path = _spelled(home)

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        answer = await handler(request)
        client = request.get(CLIENT)
        if (client is not None and client.sees is None) or not isinstance(answer, web.Response):
            return answer
        if answer.content_type == _JSON and isinstance(answer.body, bytes) and path in answer.body:
            answer.body = answer.body.replace(path, _NAME)
        return answer

    return middleware


def without(message: M, home: Path) -> M:
    """A message with the path of the home taken out."""
    text, path = message.model_dump_json().encode(), _spelled(home)
    return type(message).model_validate_json(text.replace(path, _NAME)) if path in text else message


def _spelled(home: Path) -> bytes:
    """The path as it stands in texts in JSON."""
    return json.dumps(str(home), ensure_ascii=False)[1:-1].encode("utf-8", "surrogateescape")
