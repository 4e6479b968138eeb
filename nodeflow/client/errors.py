"""What a client of a server raises; each ends the shell with the code that the same fault has without a server."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from nodeflow.core.errors import InvalidDocument, MissingFile, NodeflowError, Problem, UsageError
from nodeflow.protocol.errors import ErrorBody
from nodeflow.protocol.report import problem_of


class Unavailable(NodeflowError):
    """Nobody is there who could do it now: no server, one that is stopping, a full queue."""

    exit_code = 8


class Unreachable(Unavailable):
    """No server answers at the address."""


class Misunderstood(Unavailable):
    """What answers is no nodeflow server, or one of a version that says things this one does not know."""


class Refused(NodeflowError):
    """A server has answered, and said no.

    Attributes:
        status: The HTTP status.
        body: Code, message, way out, all problems.
        retry_after: Seconds after which the server thinks another try makes sense.
    """

    def __init__(self, status: int, body: ErrorBody, retry_after: float | None = None) -> None:
        self.status = status
        self.body = body
        self.retry_after = retry_after
        Exception.__init__(self, body.message + (f" → {body.hint}" if body.hint else "") + f" [{body.code}]")

    @property
    def code(self) -> str:
        """Stable name of what is wrong, such as ``job.unknown``; listed in ``nodeflow.protocol.errors.STATUS``."""
        return self.body.code


class RefusedRequest(Refused, UsageError):
    """The caller asked for something that makes no sense, that is not there, or that is not the caller's to ask for."""


class RefusedForNow(Refused, Unavailable):
    """The server cannot do it now; later it may."""


class RefusedDocument(Refused, InvalidDocument):
    """A document that cannot run; ``problems`` holds all of them."""

    def __init__(self, status: int, body: ErrorBody, retry_after: float | None = None) -> None:
        super().__init__(status, body, retry_after)
        own = Problem(body.code, body.message, hint=body.hint or None)
        self.problems = tuple(map(problem_of, body.problems)) or (own,)

    def __str__(self) -> str:
        return "\n".join(map(str, self.problems))


class RefusedForFiles(RefusedDocument, MissingFile):
    """A document that needs a model or an input file that the server has not."""


_KINDS: Final[Mapping[str, type[Refused]]] = MappingProxyType(
    {
        "document.invalid": RefusedDocument,
        "document.missing-file": RefusedForFiles,
        "queue.full": RefusedForNow,
        "worker.none": RefusedForNow,
    }
)


_WAYS_OUT: Final[Mapping[str, str]] = MappingProxyType(
    {
        "auth.missing": "ask its operator for one (`nodeflow token create NAME`) and put it into $NODEFLOW_TOKEN",
        "auth.refused": "put another one into $NODEFLOW_TOKEN; `nodeflow token list` on its machine lists them",
        "workflow.unknown": "`nodeflow call` lists those that are; `nodeflow publish FILE --name NAME` publishes one",
    }
)
"""What somebody at a shell does, where the server can only tell what is wrong with a request."""


def refused(status: int, body: ErrorBody, retry_after: float | None = None) -> Refused:
    """The error for an answer of the server."""
    body = body.model_copy(update={"hint": _WAYS_OUT.get(body.code, body.hint)})
    usual = RefusedForNow if body.code.startswith("server.") else RefusedRequest
    return _KINDS.get(body.code, usual)(status, body, retry_after)
