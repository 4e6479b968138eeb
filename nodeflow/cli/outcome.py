"""The one JSON object that ``nodeflow run --json`` prints."""

import json
from collections.abc import Mapping

import nodeflow
from nodeflow.cli.messages import exit_code, failure_json, problem_json
from nodeflow.core.errors import InvalidDocument, NodeFailed, NodeflowError
from nodeflow.core.json import JsonValue
from nodeflow.session import Output, Result


def result_json(result: Result, code: int) -> Mapping[str, JsonValue]:
    """A run that was carried out, to its end or not."""
    status = "cancelled" if result.cancelled else "failed" if result.failures else "ok"
    return {
        **_head(status, code),
        "outputs": {name: _output_json(output) for name, output in result.items()},
        "saved": {node: [str(path) for path in paths] for node, paths in result.saved.items()},
        "nodes": {
            node: {"status": report.status, "seconds": round(report.seconds, 6)}
            for node, report in result.nodes.items()
        },
        "warnings": [{"node": node, "message": message} for node, message in result.warnings],
        "failures": [dict(failure_json(failure)) for failure in result.failures],
    }


def failed_json(error: NodeflowError) -> Mapping[str, JsonValue]:
    """A run that could not be carried out."""
    problems = [dict(problem_json(problem)) for problem in error.problems] if isinstance(error, InvalidDocument) else []
    failures = [dict(failure_json(error))] if isinstance(error, NodeFailed) else []
    status = "invalid" if problems else "failed"
    return {**_head(status, exit_code(error)), "error": str(error), "problems": problems, "failures": failures}


def json_line(value: Mapping[str, JsonValue]) -> bytes:
    """One line of JSON in UTF-8; NaN, which JSON has not, becomes null."""
    return json.dumps(_finite(dict(value)), ensure_ascii=False, allow_nan=False).encode("utf-8", "replace") + b"\n"


def _head(status: str, code: int) -> dict[str, JsonValue]:
    return {
        "nodeflow": nodeflow.__version__,
        "status": status,
        "exit_code": code,
        "error": None,
        "outputs": {},
        "saved": {},
        "nodes": {},
        "warnings": [],
        "failures": [],
        "problems": [],
    }


def _output_json(output: Output) -> JsonValue:
    return {"type": output.type, "value": output.json(), "paths": [str(path) for path in output.paths]}


def _finite(value: JsonValue) -> JsonValue:
    match value:
        case float() if value != value or value in (float("inf"), float("-inf")):
            return None
        case list():
            return [_finite(member) for member in value]
        case dict():
            return {name: _finite(member) for name, member in value.items()}
        case _:
            return value
