"""JSON text within limits: what is too large is refused before it is built, and quickly."""

import time
import tracemalloc
from typing import Any

import pytest

from nodeflow.core.errors import InvalidDocument
from nodeflow.core.reading import Limits, read_json, spell


def codes(data: Any, limits: Limits | None = None) -> list[tuple[str, str | None]]:
    with pytest.raises(InvalidDocument) as raised:
        read_json(data, limits or Limits())
    return [(problem.code, problem.found) for problem in raised.value.problems]


@pytest.mark.parametrize(
    "data",
    [
        "[" * 100_000,
        "[" * 100_000 + "]" * 100_000,
        '{"a":' * 100_000,
        "[{}," * 100_000,
        '"' + "[" * 10 + '"' + "[" * 500,
    ],
    ids=["lists", "closed lists", "objects", "mixed", "behind a text"],
)
def test_deep_nesting_is_one_clear_error(data: str) -> None:
    assert codes(data)[0][0] == "limit.depth"


def test_brackets_in_texts_do_not_nest() -> None:
    assert read_json('["' + "[" * 500 + r"\"[[" + '"]') == ["[" * 500 + '"[[']


def test_nesting_up_to_the_limit_is_read() -> None:
    read_json("[" * 100 + "]" * 100)
    assert codes("[" * 101 + "]" * 101) == [("limit.depth", "101 levels of brackets")]


@pytest.mark.parametrize("data", [b" " * (64 * 2**20 + 1), "[" + "[]," * 2_000_001 + "0]"], ids=["bytes", "values"])
def test_a_huge_text_is_refused_without_being_built(data: str | bytes) -> None:
    tracemalloc.start()
    (problem,) = codes(data)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert problem[0] in ("limit.bytes", "limit.values")
    assert peak < 4 * len(data) + 2**20


@pytest.mark.parametrize("data", ['"' + r"\"" * 400_000, '"' * 400_001, "\\" * 400_000, '"abc'])
def test_unfinished_texts_are_scanned_in_linear_time(data: str) -> None:
    start = time.process_time()

    assert codes(data)[0][0] == "json.syntax"
    assert time.process_time() - start < 5


def test_a_byte_order_mark_is_passed_over() -> None:
    assert read_json(b"\xef\xbb\xbf[1]") == [1]


def test_a_text_that_is_no_unicode_is_refused() -> None:
    assert codes('"\ud800"')[0][0] == "json.encoding"


def test_half_of_a_character_is_refused_where_it_stands_in_words_that_can_be_printed() -> None:
    half = r"\ud83d"
    text = f'{{"nodes": {{"a": {{"inputs": {{"x": ["ok", "{half}"], "{half}": 1}}}}}}, "{half}": {{"b": 1, "b": 1}}}}'
    with pytest.raises(InvalidDocument) as raised:
        read_json(text)

    assert [(problem.code, problem.node, problem.input, problem.found) for problem in raised.value.problems] == [
        ("json.text", None, None, half),
        ("json.text", "a", None, half),
        ("json.text", "a", "x", half),
        ("json.duplicate", None, None, None),
    ]
    assert str(raised.value).encode()


def test_two_halves_that_make_a_character_are_a_text() -> None:
    assert read_json(r'"\ud83d\uDE00"') == "😀"


def test_every_number_and_key_at_fault_is_named_at_its_place() -> None:
    with pytest.raises(InvalidDocument) as raised:
        read_json(
            '{"nodes": {"a": {"inputs": {"x": 1e999, "y": [NaN]}, "k": {"b": 1, "b": 2}}}, "ui": {"c": 1, "c": 1}}'
        )

    assert [(problem.code, problem.node, problem.input) for problem in raised.value.problems] == [
        ("json.number", "a", "x"),
        ("json.number", "a", "y"),
        ("json.duplicate", "a", None),
        ("json.duplicate", None, None),
    ]


def test_a_number_of_thousands_of_digits_is_refused_and_shown_cut_short() -> None:
    ((code, found),) = codes("[" + "9" * 5000 + "]")

    assert code == "json.number"
    assert found is not None
    assert len(found) < 40


def test_an_object_that_was_overwritten_is_not_reported_again() -> None:
    assert codes('{"a": {"b": 1, "b": 2}, "a": 3}') == [("json.duplicate", None)]


def test_places_are_spelt_as_people_write_them() -> None:
    assert spell(()) == "the document"
    assert spell(("nodes", "a", "inputs", "rows", 0, "file")) == "nodes.a.inputs.rows[0].file"
