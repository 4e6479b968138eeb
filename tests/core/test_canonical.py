"""Canonical JSON: one form for numbers, keys in order, the same bytes that JavaScript writes."""

import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodeflow.core.canonical import MAX_SAFE_INTEGER, document_bytes, number_text, record_bytes
from nodeflow.core.errors import InvalidDocument
from nodeflow.core.reading import read_json

CASES: Any = json.loads((Path(__file__).parents[1] / "documents" / "canonical_cases.json").read_text())
"""Numbers: JSON text, and what JavaScript prints for it, or null where that would be another number. Values: text, and
both canonical forms. Refused: text, and the code of the problem. ``web/src/core`` is held against the same cases."""

safe_integers = st.integers(min_value=-MAX_SAFE_INTEGER, max_value=MAX_SAFE_INTEGER)
scalars = st.none() | st.booleans() | safe_integers | st.floats(allow_nan=False, allow_infinity=False) | st.text()
values = st.recursive(scalars, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=20)


@pytest.mark.parametrize(("text", "canonical"), CASES["numbers"])
def test_numbers_are_printed_as_javascript_prints_them(text: str, canonical: str | None) -> None:
    if canonical is None:
        with pytest.raises(InvalidDocument):
            read_json(text)
    else:
        assert record_bytes(read_json(text)).decode() == canonical
        assert record_bytes(read_json(canonical)).decode() == canonical


@pytest.mark.parametrize("case", CASES["values"], ids=lambda case: case["why"])
def test_values_are_printed_as_javascript_prints_them(case: Any) -> None:
    value = read_json(case["text"])

    assert document_bytes(value) == ("\n".join(case["document"]) + "\n").encode("utf-8", "backslashreplace")
    assert record_bytes(value).decode() == case["record"].encode("utf-8", "backslashreplace").decode()
    assert document_bytes(read_json(document_bytes(value))) == document_bytes(value)


@pytest.mark.parametrize("case", CASES["refused"], ids=lambda case: case["why"])
def test_what_is_not_the_same_everywhere_is_refused(case: Any) -> None:
    with pytest.raises(InvalidDocument) as raised:
        read_json(case["text"])

    assert [problem.code for problem in raised.value.problems] == [case["code"]]


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_number_reads_back_as_itself(number: float) -> None:
    assert read_json(number_text(number)) == number


@given(values)
def test_what_was_written_is_written_again_byte_for_byte(value: Any) -> None:
    written = document_bytes(value)

    assert document_bytes(read_json(written)) == written
    assert record_bytes(read_json(written)) == record_bytes(value)


@given(values)
def test_the_standard_library_reads_the_same_value(value: Any) -> None:
    assert json.loads(document_bytes(value), parse_int=float) == value


@pytest.mark.parametrize(
    "value", [math.nan, math.inf, -math.inf, MAX_SAFE_INTEGER + 1, -MAX_SAFE_INTEGER - 1, {1}, b"x"]
)
def test_what_is_no_json_everywhere_is_refused(value: Any) -> None:
    with pytest.raises(ValueError, match=r"finite|beyond|not JSON"):
        record_bytes([value])


def test_a_document_is_written_as_json_stringify_does() -> None:
    value: Any = {"b": [1, {"x": []}, {}], "a": 'é\u2028\x7f\x01\t"\\/', "c": None}

    assert document_bytes(value).decode().splitlines(keepends=True) == [
        "{\n",
        '  "b": [\n',
        "    1,\n",
        "    {\n",
        '      "x": []\n',
        "    },\n",
        "    {}\n",
        "  ],\n",
        '  "a": "é\u2028',
        '\x7f\\u0001\\t\\"\\\\/",\n',
        '  "c": null\n',
        "}\n",
    ]


def test_keys_stay_in_order_except_array_indices_which_javascript_puts_first() -> None:
    value = {"b": 0, "10": 1, "a": 2, "9": 3, "01": 4, "4294967295": 5, "4294967294": 6, "²": 7, "12345678901": 8}

    written = list(json.loads(document_bytes(value)))

    assert written == ["9", "10", "4294967294", "b", "a", "01", "4294967295", "²", "12345678901"]


def test_a_record_has_sorted_keys_and_no_spaces() -> None:
    assert record_bytes({"b": [1.0, True, False], "a": {"d": "é", "c": None}}) == (
        '{"a":{"c":null,"d":"é"},"b":[1,true,false]}'.encode()
    )


def test_half_a_surrogate_pair_is_escaped() -> None:
    assert record_bytes("\ud83d") == b'"\\ud83d"'
    assert document_bytes(["\ud83d"]) == b'[\n  "\\ud83d"\n]\n'
