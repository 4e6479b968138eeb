"""Every refusal of the server: a stable code, its HTTP status, and one message that says what to do."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from pydantic import Field, JsonValue

from nodeflow.protocol.base import Message
from nodeflow.protocol.report import ProblemReport

STATUS: Final[Mapping[str, int]] = MappingProxyType(
    {
        "request.malformed": 400,
        "auth.missing": 401,
        "auth.refused": 401,
        "auth.role": 403,
        "host.refused": 403,
        "origin.refused": 403,
        "documents.published-only": 403,
        "job.unknown": 404,
        "sweep.unknown": 404,
        "document.unknown": 404,
        "workflow.unknown": 404,
        "output.unknown": 404,
        "file.unknown": 404,
        "node.unknown": 404,
        "model.unknown": 404,
        "token.unknown": 404,
        "route.unknown": 404,
        "route.method": 405,
        "accept.impossible": 406,
        "request.timeout": 408,
        "job.final": 409,
        "job.not-final": 409,
        "job.not-queued": 409,
        "job.cancelled": 409,
        "key.reused": 409,
        "document.stale": 409,
        "document.exists": 409,
        "file.exists": 409,
        "token.exists": 409,
        "file.gone": 410,
        "request.too-large": 413,
        "request.media-type": 415,
        "range.unsatisfiable": 416,
        "document.invalid": 422,
        "document.missing-file": 422,
        "request.invalid": 422,
        "picture.refused": 422,
        "webhook.refused": 422,
        "job.failed": 422,
        "queue.full": 429,
        "request.headers": 431,
        "server.error": 500,
        "server.storage": 507,
        "server.busy": 503,
        "server.stopping": 503,
        "server.starting": 503,
        "worker.none": 503,
    }
)
"""HTTP status of every code; README.md of the server explains each."""


class ErrorBody(Message):
    """What a refused request gets. ``problems`` holds all that is wrong with a document, not only the first."""

    code: str
    message: str
    hint: str = ""
    problems: tuple[ProblemReport, ...] = ()
    detail: Mapping[str, JsonValue] = Field(default_factory=dict[str, JsonValue])


class Refusal(Exception):
    """Raised anywhere behind a route; becomes an ``ErrorBody`` with the status of its code.

    ``retry_after``: seconds after which the same request may be taken; becomes the header ``Retry-After``.
    """

    def __init__(
        self,
        code: str,
        message: str,
        *,
        hint: str = "",
        problems: tuple[ProblemReport, ...] = (),
        detail: Mapping[str, JsonValue] | None = None,
        retry_after: int | None = None,
    ) -> None:
        self.status = STATUS[code]
        self.retry_after = retry_after
        self.body = ErrorBody(code=code, message=message, hint=hint, problems=problems, detail=detail or {})
        super().__init__(message)
