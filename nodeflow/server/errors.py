"""Whatever goes wrong behind a route, as one kind of answer."""

import logging
import secrets
from typing import Final

from aiohttp import web
from aiohttp.typedefs import Handler

from nodeflow.core.errors import InvalidDocument, MissingFile, NodeflowError, UsageError
from nodeflow.protocol.errors import Refusal
from nodeflow.protocol.report import problem_report
from nodeflow.server.answers import refused
from nodeflow.server.refusing import not_kept
from nodeflow.server.streams import is_gone
from nodeflow.storage.database.failures import StorageFailed

_LOG: Final = logging.getLogger("nodeflow.server")

GONE: Final = 499
"""What is noted of a request whose client did not wait for the answer."""


_OF_HTTP: Final = {
    400: ("request.malformed", "this is no HTTP request that can be read"),
    404: ("route.unknown", "there is nothing here; GET /api/v1/openapi.json tells what there is"),
    405: ("route.method", "this place does not take that method"),
    413: ("request.too-large", "the body is larger than this server takes"),
    415: ("request.media-type", "send application/json"),
    416: ("range.unsatisfiable", "the file does not have these bytes"),
}


@web.middleware
async def refusals(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turns every exception into an ``ErrorBody`` with the status of its code."""
    try:
        return await handler(request)
    except Refusal as refusal:
        return refused(refusal)
    except web.HTTPException as error:
        if error.status < 400:
            raise
        return _of_http(error)
    except InvalidDocument as error:
        return refused(of_document(error))
    except UsageError as error:
        return refused(Refusal("request.invalid", str(error)))
    except StorageFailed as error:
        return refused(not_kept(error))
    except NodeflowError as error:
        return _unexpected(request, error)
    except ConnectionError as error:
        return web.Response(status=GONE) if is_gone(request) else _unexpected(request, error)
    except Exception as error:  # noqa: BLE001 - the client gets an id, the log all of it
        return _unexpected(request, error)


def of_document(error: InvalidDocument) -> Refusal:
    """A document that cannot run, with all its problems."""
    problems = tuple(map(problem_report, error.problems))
    wrong = [problem for problem in error.problems if problem.severity == "error"] or list(error.problems)
    more = f" (and {len(wrong) - 1} more)" if len(wrong) > 1 else ""
    code = "document.missing-file" if isinstance(error, MissingFile) else "document.invalid"
    return Refusal(code, f"{wrong[0]}{more}" if wrong else str(error), problems=problems)


def _of_http(error: web.HTTPException) -> web.Response:
    code, message = _OF_HTTP.get(error.status, ("request.malformed", error.reason))
    if isinstance(error, web.HTTPMethodNotAllowed):
        message = f"{message}; it takes {', '.join(sorted(error.allowed_methods))}"
    answer = refused(Refusal(code, message))
    for name in ("Allow", "Retry-After", "Content-Range"):
        if name in error.headers:
            answer.headers[name] = error.headers[name]
    return answer


def _unexpected(request: web.Request, error: Exception) -> web.Response:
    """A fault of the server: the log has all of it, the client the number under which it stands there."""
    number = secrets.token_hex(4)
    _LOG.error("fault %s at %s %s", number, request.method, request.path, exc_info=error)
    message = f"the server made a mistake; its log has it as fault {number}"
    return refused(Refusal("server.error", message, detail={"fault": number}))
