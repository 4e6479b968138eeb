"""The OpenAPI 3.1 document of the server, made from the table of routes and the messages of the protocol.

``python -m nodeflow.server.openapi`` prints it.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from http import HTTPStatus
from importlib import import_module
from typing import Any, Final, cast

from pydantic.json_schema import JsonSchemaMode, models_json_schema

from nodeflow.protocol.base import Message
from nodeflow.protocol.errors import STATUS, ErrorBody
from nodeflow.server.routing import Route
from nodeflow.version import __version__

Tree = dict[str, Any]

_REF: Final = "#/components/schemas/{model}"
_PARAMETER: Final = re.compile(r"\{(\w+)(?::[^{}]+)?\}")
_JSON: Final = "application/json"
_ANYWHERE: Final = (
    "request.malformed",
    "auth.missing",
    "auth.refused",
    "host.refused",
    "origin.refused",
    "route.unknown",
    "route.method",
    "request.timeout",
    "request.too-large",
    "request.media-type",
    "request.headers",
    "server.starting",
    "server.stopping",
    "server.error",
)
"""What any request may be refused with."""
_ABOUT: Final = (
    "Every refusal is an ErrorBody with a stable code and a message that says what to do. Times are seconds since 1970."
    " A job that was taken in (201) is on the disk; POST /api/v1/jobs with an Idempotency-Key may be sent again."
)


def described(routes: Sequence[Route]) -> Tree:
    """The whole document."""
    schemas = _Schemas(routes)
    paths: dict[str, Tree] = {}
    for route in routes:
        paths.setdefault(_PARAMETER.sub(r"{\1}", route.path), {})[route.method.lower()] = _operation(route, schemas)
    return {
        "openapi": "3.1.0",
        "info": {"title": "nodeflow", "version": __version__, "description": _ABOUT},
        "servers": [{"url": "/"}],
        "tags": [{"name": tag} for tag in dict.fromkeys(route.tag for route in routes)],
        "paths": paths,
        "components": {
            "schemas": schemas.definitions,
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer", "description": "nodeflow token create NAME"},
                "cookie": {"type": "apiKey", "in": "cookie", "name": "nodeflow"},
            },
        },
    }


class _Schemas:
    """The schemas of all messages: as they are taken, and as they are given."""

    def __init__(self, routes: Iterable[Route]) -> None:
        wanted: dict[tuple[type[Message], JsonSchemaMode], None] = {(ErrorBody, "serialization"): None}
        for route in routes:
            if route.body is not None:
                wanted[route.body, "validation"] = None
            if route.answer is not None:
                wanted[route.answer, "serialization"] = None
        self._found, definitions = models_json_schema(list(wanted), ref_template=_REF)
        self.definitions: Tree = definitions.get("$defs", {})

    def taken(self, message: type[Message]) -> Tree:
        return self._found[message, "validation"]

    def given(self, message: type[Message]) -> Tree:
        return self._found[message, "serialization"]


def _operation(route: Route, schemas: _Schemas) -> Tree:
    module = route.handler.__module__.rpartition(".")[2]
    operation: Tree = {
        "operationId": f"{module}.{route.handler.__name__.strip('_')}" + (".head" if route.method == "HEAD" else ""),
        "summary": route.summary,
        "tags": [route.tag],
        "parameters": [*_path(route), *_query(route), *_headers(route)],
        "responses": _responses(route, schemas),
        "security": [] if route.role is None else [{"token": []}, {"cookie": []}, {}],
    }
    about = (route.handler.__doc__ or "").strip()
    if about:
        operation["description"] = about + (f" Needs the role {route.role}." if route.role is not None else "")
    if body := _body(route, schemas):
        operation["requestBody"] = body
    return operation


def _path(route: Route) -> Iterator[Tree]:
    for match in _PARAMETER.finditer(route.path):
        yield {"name": match[1], "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}


def _query(route: Route) -> Iterator[Tree]:
    if route.query is None:
        return
    schema = route.query.model_json_schema(by_alias=True)
    definitions = cast("Tree", schema.get("$defs", {}))
    for name, told in cast("dict[str, Tree]", schema.get("properties", {})).items():
        plain = {key: value for key, value in _without_null(told).items() if key not in ("title", "description")}
        if reference := plain.pop("$ref", None):
            plain = {**definitions[str(reference).rpartition("/")[2]], **plain}
        parameter: Tree = {"name": name, "in": "query", "required": name in schema.get("required", ()), "schema": plain}
        if "description" in told:
            parameter["description"] = told["description"]
        yield parameter


def _without_null(schema: Tree) -> Tree:
    """A parameter that is not given is left out, never null."""
    members = [member for member in schema.get("anyOf", ()) if member != {"type": "null"}]
    rest = {name: told for name, told in schema.items() if name != "anyOf" and told is not None}
    return {**rest, **members[0]} if len(members) == 1 else {**rest, "anyOf": members} if members else rest


def _headers(route: Route) -> Iterator[Tree]:
    for name, about in route.headers.items():
        if name != "Accept":  # said by the media types of the answers
            yield {"name": name, "in": "header", "required": False, "description": about, "schema": {"type": "string"}}


def _body(route: Route, schemas: _Schemas) -> Tree:
    kinds = route.takes or ((_JSON,) if route.body is not None else ())
    content = {kind: {"schema": _taken(kind, route, schemas)} for kind in kinds}
    return {"content": content, "required": route.method in ("PUT", "PATCH") or not route.takes} if content else {}


def _taken(kind: str, route: Route, schemas: _Schemas) -> Tree:
    if kind == _JSON and route.body is not None:
        return schemas.taken(route.body)
    if kind == "multipart/form-data":
        return {"type": "object"}
    return {"type": "string", "format": "binary"}


def _responses(route: Route, schemas: _Schemas) -> Tree:
    content: Tree = {}
    if route.answer is not None:
        content[_JSON] = {"schema": schemas.given(route.answer)}
    for kind in route.gives:
        content.setdefault(kind, {"schema": {} if kind.endswith("json") else {"type": "string", "format": "binary"}})
    responses: Tree = {str(route.status): _response(HTTPStatus(route.status).phrase, content)}
    for status, about in route.also.items():
        empty = status in (HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED)
        responses[str(status)] = _response(about, {} if empty else content)
    if "Range" in route.headers:
        responses["206"] = _response("the part that was asked for", content)
    if "If-None-Match" in route.headers:
        responses["304"] = _response("the client has it already", {})
    for status, codes in sorted(_refusals(route).items()):
        error = schemas.given(ErrorBody)
        found = responses.get(str(status))
        if found is not None and _JSON in found.get("content", {}):
            error = {"anyOf": [found["content"][_JSON]["schema"], error]}
        responses[str(status)] = _response(", ".join(codes), {_JSON: {"schema": error}})
    return responses


def _response(about: str, content: Tree) -> Tree:
    return {"description": about, **({"content": content} if content else {})}


def _refusals(route: Route) -> Mapping[int, Sequence[str]]:
    checked = ("request.invalid",) if route.body is not None or route.query is not None else ()
    role = ("auth.role",) if route.role is not None else ()
    by_status: dict[int, list[str]] = {}
    for code in dict.fromkeys((*_ANYWHERE, *role, *checked, *route.refusals)):
        by_status.setdefault(STATUS[code], []).append(code)
    return by_status


def main() -> None:
    """Prints the document."""
    routes = cast("Sequence[Route]", import_module("nodeflow.server.app").ROUTES)
    print(json.dumps(described(routes), indent=1))


if __name__ == "__main__":
    main()
