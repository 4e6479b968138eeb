"""Messages and refusals as HTTP has them."""

from collections.abc import Mapping

from aiohttp import web

from nodeflow.protocol.base import Message
from nodeflow.protocol.errors import Refusal


def answered(message: Message, *, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    """A message as JSON."""
    body = message.__pydantic_serializer__.to_json(message, by_alias=True)
    return web.Response(body=body, status=status, headers=headers, content_type="application/json")


def refused(refusal: Refusal) -> web.Response:
    """The answer that a refusal is."""
    headers = {"Retry-After": str(refusal.retry_after)} if refusal.retry_after is not None else None
    return answered(refusal.body, status=refusal.status, headers=headers)
