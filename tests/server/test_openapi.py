"""The description of the server: complete, and true."""

import os
import re
from collections.abc import Iterator
from itertools import cycle
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from nodeflow.protocol.errors import STATUS
from nodeflow.server.app import ROUTES, make_app
from nodeflow.server.openapi import described
from tests.server.documents_of_tests import number
from tests.server.serving import API, Server, served

DESCRIPTION = described(ROUTES)
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
EXAMPLES = int(os.environ.get("NODEFLOW_OPENAPI_EXAMPLES", "15"))
"""For each operation; ``tests/stress/openapi.py`` asks for more."""
STREAMS = re.compile(r"/ws$|/events$")
"""They do not end, and have tests of their own."""


KNOWN: dict[str, list[str]] = {"reference": ["number", "number@1"], "name": ["number"]}
"""What is there, so that not everything is about what is not."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with served(tmp_path_factory.mktemp("openapi")) as server:
        token = {"token": server.token}
        server.ask("POST", f"{API}/workflows/number", {"document": number()}, **token)
        made = [
            server.ask("POST", f"{API}/jobs", {"document": number()}, **token),
            server.ask("POST", f"{API}/sweeps", {"document": number(), "over": {"value": [1, 2]}}, **token),
        ]
        KNOWN["id"] = [answer.json["id"] for answer in made]
        yield server


def test_every_route_of_the_application_is_in_it(server: Server) -> None:
    told = {(method.upper(), path) for path, item in DESCRIPTION["paths"].items() for method in item}
    routes = {
        (route.method, re.sub(r"\{(\w+):[^{}]+\}", r"{\1}", route.resource.canonical))
        for route in make_app(server.parts).router.routes()
        if route.resource is not None
    }
    assert told == routes


def test_what_is_served_is_what_is_described(server: Server) -> None:
    answer = server.get(f"{API}/openapi.json")
    assert answer.json == DESCRIPTION
    assert DESCRIPTION["openapi"].startswith("3.1")


def test_every_operation_has_a_name_of_its_own_words_and_its_refusals() -> None:
    operations = [item[method] for item in DESCRIPTION["paths"].values() for method in item]
    assert len({operation["operationId"] for operation in operations}) == len(operations)
    assert all(operation["summary"] and operation["tags"] for operation in operations)
    assert {code for route in ROUTES for code in route.refusals} <= STATUS.keys()


def test_every_reference_leads_somewhere() -> None:
    named = set(re.findall(r"#/components/schemas/([\w.-]+)", str(DESCRIPTION)))
    assert named <= DESCRIPTION["components"]["schemas"].keys()


SCHEMA = schemathesis.openapi.from_dict(DESCRIPTION)


@pytest.mark.parametrize(
    "operation",
    [found.ok() for found in SCHEMA.get_all_operations() if not STREAMS.search(found.ok().path)],
    ids=lambda operation: operation.label,
)
def test_whatever_is_asked_is_answered_as_described(server: Server, operation: Any) -> None:
    headers = {"Authorization": f"Bearer {server.token}"}
    base = f"http://127.0.0.1:{server.port}"
    waits = {"wait": 0} if operation.path.endswith("/run") else {}
    turn = cycle([True, False])
    checks = CHECKS[1:] if operation.path == "/readyz" else CHECKS  # no worker is there, and it says so

    @given(operation.as_strategy())
    @settings(
        max_examples=EXAMPLES, deadline=None, database=None, derandomize=EXAMPLES < 50, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    def ask(case: Any) -> None:
        for name, values in KNOWN.items():
            if name in (case.path_parameters or {}) and next(turn):
                case.path_parameters[name] = values[len(case.path_parameters[name]) % len(values)]
        if "wait" in {**(case.query or {}), **waits}:  # nothing runs here, so nobody need wait for its end
            case.query = {**(case.query or {}), "wait": 0}
        answer = case.call(base_url=base, headers=headers)
        case.validate_response(answer, checks=checks)

    ask()
