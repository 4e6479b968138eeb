"""Canonical JSON in JavaScript: the shared cases, and whatever else Python can think of."""

import json
import re
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nodeflow.core.canonical import MAX_SAFE_INTEGER, document_bytes, record_bytes
from nodeflow.core.reading import read_json
from tests.web.conftest import Node

ECHO = """
import { readFileSync } from "node:fs";
import { documentText, readJson, recordText } from "./src/core/canonical.js";
const value = readJson(readFileSync(0, "utf8"));
process.stdout.write(JSON.stringify([documentText(value), recordText(value)]));
"""

numbers = st.integers(-MAX_SAFE_INTEGER, MAX_SAFE_INTEGER) | st.floats(allow_nan=False, allow_infinity=False)
letters = st.text() | st.text("0123456789") | st.sampled_from(["__proto__", "\uffff", "\U00010000"])
values = st.recursive(
    st.none() | st.booleans() | numbers | letters,
    lambda inner: st.lists(inner) | st.dictionaries(letters, inner),
    max_leaves=30,
)


def test_the_shared_cases_hold_in_node(node: Node) -> None:
    done = node("--test", "src/core/canonical.test.js")

    assert done.returncode == 0, done.stdout.decode()
    assert re.search(rb"pass [1-9]", done.stdout), "no test was found"


@given(st.lists(values, min_size=20))
@settings(max_examples=5, deadline=None, suppress_health_check=list(HealthCheck))
def test_python_and_javascript_print_the_same_bytes(node: Node, many: list[Any]) -> None:
    written = document_bytes(many)

    done = node("--input-type=module", "--eval", ECHO, stdin=written)

    assert done.returncode == 0, done.stderr.decode()
    document, record = json.loads(done.stdout)
    assert document.encode("utf-8", "backslashreplace") == written
    assert record.encode("utf-8", "backslashreplace") == record_bytes(read_json(written))
