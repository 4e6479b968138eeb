"""The table that routes are declared in: what checks requests, finds handlers and writes the OpenAPI document."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, TypeAlias, TypeVar

from aiohttp import web
from pydantic import JsonValue, ValidationError

from nodeflow.core.errors import InvalidDocument
from nodeflow.core.reading import Limits, read_json
from nodeflow.core.suggest import did_you_mean, listing, shorten
from nodeflow.protocol.base import Message
from nodeflow.protocol.errors import Refusal
from nodeflow.protocol.report import ProblemReport, problem_report
from nodeflow.protocol.tokens import Role
from nodeflow.server.answers import answered
from nodeflow.server.parts import PARTS
from nodeflow.server.security.clients import admit
from nodeflow.server.settings import Limits as ServerLimits

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

API: Final = "/api/v1"
"""What paths of the API begin with."""

Answer: TypeAlias = "Message | web.StreamResponse | None"
"""A message becomes JSON with the status of its route; None is an answer without content."""
Handler = Callable[[web.Request], Awaitable[Answer]]
M = TypeVar("M", bound=Message)

_BODY: Final = web.RequestKey("body", Message)
_QUERY: Final = web.RequestKey("query", Message)
_LARGE: Final = 64 * 1024
"""Bytes from which on a body is read beside the loop, so that nobody else waits."""
_WORDS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "extra_forbidden": "there is no such field",
        "missing": "it is missing",
        "model_type": "expected an object",
        "dict_type": "expected an object",
        "list_type": "expected a list",
        "tuple_type": "expected a list",
        "too_short": "it has too few items",
        "too_long": "it has too many items",
    }
)
"""What is said of a fault in a request where pydantic speaks of Python."""


@dataclass(frozen=True, slots=True)
class Route:
    """One operation.

    Attributes:
        path: As aiohttp has it: ``/api/v1/jobs/{id}``, ``{name:.+}`` where a name may have slashes.
        handler: Finds its body with ``body_of`` and its query with ``query_of``, and the client under ``CLIENT``.
        role: What a client needs; None for everybody.
        body: Read as JSON within the limits and checked before the handler is called.
        query: Its fields are the parameters after the question mark; a parameter nobody knows is refused.
        answer: What JSON it gives.
        status: Of the usual answer; 204 when there is none.
        also: Further statuses with the same kind of answer, and when: ``{202: "it still runs"}``.
        refusals: Codes of ``protocol.errors`` it may answer with, besides those that every route has.
        takes: Media types of a body that the handler itself reads: a stream, a form, or a body it checks its own way.
        gives: Media types of answers that are no JSON.
        headers: Request headers that it looks at, and what for.
        tag: The chapter in the document.
    """

    method: str
    path: str
    handler: Handler
    role: Role | None
    summary: str
    body: type[Message] | None = None
    query: type[Message] | None = None
    answer: type[Message] | None = None
    status: int = 200
    also: Mapping[int, str] = field(default_factory=dict[int, str])
    refusals: tuple[str, ...] = ()
    takes: tuple[str, ...] = ()
    gives: tuple[str, ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    tag: str = "jobs"


def add_routes(app: web.Application, routes: Iterable[Route]) -> None:
    """Make routes known to an application; those of one path in one resource, so that 405 names what is allowed."""
    resources: dict[str, web.Resource] = {}
    for route in routes:
        if route.path not in resources:
            resources[route.path] = app.router.add_resource(route.path)
        resources[route.path].add_route(route.method, _adapted(route))


def body_of(request: web.Request, model: type[M]) -> M:
    """The body of a request, as its route declares it."""
    body = request[_BODY]
    assert isinstance(body, model)
    return body


def query_of(request: web.Request, model: type[M]) -> M:
    """The parameters of a request, as its route declares them."""
    query = request[_QUERY]
    assert isinstance(query, model)
    return query


def parsed(data: bytes, model: type[M], limits: Limits) -> M:
    """A JSON body as a message.

    Raises:
        Refusal: It is no JSON, over a limit, or has other fields than the message.
    """
    try:
        value = read_json(data, limits)
    except InvalidDocument as error:
        raise unreadable(error) from None
    return checked(value, model, "the body")


def json_limits(limits: ServerLimits) -> Limits:
    """What a JSON body may not exceed."""
    return Limits(bytes=limits.body, depth=limits.depth, nodes=limits.nodes)


def unreadable(error: InvalidDocument) -> Refusal:
    """The refusal of a text that is no JSON, or more of it than is allowed."""
    problems = tuple(map(problem_report, error.problems))
    code = "request.too-large" if problems[0].code.startswith("limit.") else "request.malformed"
    first = problems[0]
    message = first.message.replace("the document", "the body")
    message += f"; found {first.found}" if first.found else ""
    message += f"; expected {first.expected}" if first.expected else ""
    return Refusal(code, message, hint=first.hint or "", problems=problems)


def checked(value: JsonValue | Mapping[str, str], model: type[M], what: str) -> M:
    """Plain values as a message.

    Raises:
        Refusal: With every field that is missing, unknown or of the wrong type.
    """
    try:
        return model.model_validate(value)
    except ValidationError as error:
        problems = tuple([_problem(fault, model) for fault in error.errors(include_url=False, include_context=False)])
        first = problems[0]
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        message = f"{what}: {first.message}{more}"
        raise Refusal("request.invalid", message, hint=first.hint or "", problems=problems) from None


def _problem(fault: "ErrorDetails", model: type[Message]) -> ProblemReport:
    place, kind = fault["loc"], fault["type"]
    # One of several types that a value may have is told by pydantic as a part of its place: tuple[int, ...].
    where, message = ".".join(part for part in map(str, place) if "[" not in part), _WORDS.get(kind, fault["msg"])
    unknown = kind == "extra_forbidden" and len(place) == 1
    return ProblemReport(
        code="request.invalid",
        severity="error",
        message=f"{where}: {message}" if where else message,
        node=None,
        type=None,
        input=where or None,
        found=None if kind == "missing" else shorten(fault["input"]),
        expected=None,
        hint=did_you_mean(where, model.model_fields) or f"there are {listing(model.model_fields)}" if unknown else None,
    )


def _adapted(route: Route) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    """The handler behind all that its route declares."""

    async def handle(request: web.Request) -> web.StreamResponse:
        admit(request, route.role)
        if route.query is not None:
            request[_QUERY] = checked(_parameters(request), route.query, "the query")
        if route.body is not None and not route.takes:
            request[_BODY] = await _read(request, route.body)
        answer = await route.handler(request)
        if isinstance(answer, web.StreamResponse):
            return answer
        return web.Response(status=204) if answer is None else answered(answer, status=route.status)

    handle.__name__ = route.handler.__name__
    return handle


async def _read(request: web.Request, model: type[M]) -> M:
    data, limits = await request.read(), json_limits(request.app[PARTS].settings.limits)
    if len(data) > _LARGE:
        return await asyncio.to_thread(parsed, data, model, limits)
    return parsed(data, model, limits)


def _parameters(request: web.Request) -> Mapping[str, str]:
    """The parameters by name.

    Raises:
        Refusal: One is given twice, so that only one of the two could count.
    """
    given = request.query
    if len(given) != len(set(given)):
        twice = next(name for name in given if len(given.getall(name)) > 1)
        raise Refusal("request.invalid", f"the query: {twice} is given twice; keep one of them")
    return dict(given)
