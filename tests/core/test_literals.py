"""Literal values, read by the declared type, from JSON and from text."""

import math
from typing import Any

import pytest

from nodeflow.core.literals import literal_type, read_literal
from nodeflow.core.ranges import starts_at_zero
from nodeflow.core.spec import Input, Range
from nodeflow.core.suggest import kind_of, listing, nearest, shorten
from nodeflow.core.texts import parse_text
from nodeflow.core.types import ANY, Type
from nodeflow.core.unfit import Unfit

INT, FLOAT, STR, BOOL = Type("int"), Type("float"), Type("str"), Type("bool")
LIST = Type("list", (INT,))


def optional(type_: Type) -> Type:
    return Type("optional", (type_,))


def union(*types: Type) -> Type:
    return Type("union", types)


def refused(type_: Type, value: Any, range: Range | None = None, choices: Any = None) -> Unfit:
    with pytest.raises(Unfit) as raised:
        read_literal(Input("x", type_, range=range), value, choices)
    return raised.value


@pytest.mark.parametrize(
    ("type_", "value", "read"),
    [
        (INT, 5, 5),
        (INT, 5.0, 5),
        (INT, 2**53 - 1, 2**53 - 1),
        (FLOAT, 4, 4.0),
        (FLOAT, 0.5, 0.5),
        (STR, "123", "123"),
        (BOOL, False, False),
        (ANY, [1, {"a": None}], [1, {"a": None}]),
        (Type("$T"), "x", "x"),
        (LIST, [1, 2.0], [1, 2]),
        (Type("list", (LIST,)), [[1], []], [[1], []]),
        (optional(INT), None, None),
        (optional(INT), 3, 3),
        (union(INT, STR), "a", "a"),
        (union(INT, STR), 3, 3),
        (union(STR, FLOAT), 3, 3.0),
        (Type("dict"), {"a": 1}, {"a": 1}),
        (Type("Path"), "a.png", "a.png"),
        (Type("list", (Type("Image"),)), [], []),
    ],
)
def test_a_value_becomes_what_its_type_says(type_: Type, value: Any, read: Any) -> None:
    found = read_literal(Input("x", type_), value)

    assert found == read
    assert type(found) is type(read)


@pytest.mark.parametrize(
    ("range", "value", "hint"),
    [
        (Range(ge=1, le=100), 0, "nearest is 1"),
        (Range(ge=1, le=100), 101, "nearest is 100"),
        (Range(gt=0, lt=10), 0, "nearest is 1"),
        (Range(gt=0, lt=10), 10, "nearest is 9"),
        (Range(ge=16, le=100, multiple_of=8), 3, "nearest is 16"),
        (Range(ge=16, le=100, multiple_of=8), 104, "nearest is 96"),
        (Range(ge=16, le=100, multiple_of=8), 29, "nearest is 32"),
        (Range(ge=-5), -6, "nearest is -5"),
        (Range(gt=-5), -5, "nearest is -4"),
        (Range(ge=10, le=11, multiple_of=4), 10, None),
        (None, -1, "nearest is 0"),
        (None, 2**53, f"nearest is {2**53 - 1}"),
        (Range(ge=-(10**20)), -(2.0**60), f"nearest is {-(2**53) + 1}"),
    ],
)
def test_the_nearest_whole_number_is_named(range: Range | None, value: Any, hint: str | None) -> None:
    assert refused(INT, value, range).hint == hint


@pytest.mark.parametrize(
    ("range", "value", "hint"),
    [
        (Range(ge=0.5, le=1), 0, "nearest is 0.5"),
        (Range(ge=0.5, le=1), 7, "nearest is 1"),
        (Range(gt=0), 0, None),
        (Range(lt=1), 1.5, None),
        (Range(multiple_of=0.1), 0.25, "nearest is 0.2"),
    ],
)
def test_the_nearest_number_is_named(range: Range, value: Any, hint: str | None) -> None:
    assert refused(FLOAT, value, range).hint == hint


def test_steps_forgive_the_rounding_of_floats() -> None:
    assert read_literal(Input("x", FLOAT, range=Range(multiple_of=0.1)), 0.3) == 0.3


@pytest.mark.parametrize("value", [math.nan, math.inf, None, True, [], {}])
def test_what_is_no_number_is_refused(value: Any) -> None:
    assert refused(FLOAT, value).code == "literal.type"


@pytest.mark.parametrize(
    ("value", "hint"),
    [("0.50", "write 0.5 without quotes"), ("1e3", "write 1000 without quotes"), ("nan", None), ("x", None)],
)
def test_a_number_in_quotes_is_shown_without(value: str, hint: str | None) -> None:
    assert refused(FLOAT, value).hint == hint


@pytest.mark.parametrize(("value", "hint"), [(1.5, 'write "1.5" in quotes'), ([], None), (None, None)])
def test_a_text_without_quotes_is_shown_with(value: Any, hint: str | None) -> None:
    assert refused(STR, value).hint == hint


@pytest.mark.parametrize(("value", "hint"), [("OFF", "write false"), (1, "write true"), ("maybe", None)])
def test_what_is_meant_as_a_switch_is_named(value: Any, hint: str | None) -> None:
    assert refused(BOOL, value).hint == hint


def test_lengths_are_held_against_the_range() -> None:
    assert read_literal(Input("x", LIST, range=Range(max_length=2)), [1, 2]) == [1, 2]
    assert refused(LIST, [1, 2, 3], Range(max_length=2)).expected == "0 … 2 items"
    assert refused(STR, "", Range(min_length=1)).expected == "at least 1 characters"


def test_choices_are_told_apart_by_type() -> None:
    assert read_literal(Input("x", INT), 1, (1, 2)) == 1
    assert read_literal(Input("x", optional(INT)), None, (1, 2)) is None
    assert refused(INT, 7, choices=(1, 2)).code == "literal.choice"
    assert refused(ANY, True, choices=(1, 2)).code == "literal.choice"


def test_a_union_says_what_the_member_says_that_nearly_took_it() -> None:
    assert refused(union(BOOL, INT), -1).code == "number.range"
    assert refused(union(BOOL, Type("Image")), "x").expected == "true or false or a link to an output of type Image"


def test_opaque_values_cannot_be_written_down() -> None:
    assert refused(Type("Image"), "a").code == "literal.socket"


def test_the_item_that_is_wrong_is_told_by_its_place() -> None:
    assert refused(Type("list", (LIST,)), [[1], [2, "3"]]).at == (1, 1)
    assert refused(Type("list", (STR,)), ["a", "c"], choices=("a", "b")).at == (1,)
    assert read_literal(Input("x", Type("list", (STR,))), ["a", "b"], ("a", "b")) == ["a", "b"]


@pytest.mark.parametrize(
    ("type_", "text", "value"),
    [
        (STR, "123", "123"),
        (ANY, "123", "123"),
        (Type("$T"), "123", "123"),
        (Type("Path"), "a", "a"),
        (optional(STR), "null", "null"),
        (union(INT, STR), "123", "123"),
        (INT, "123", 123),
        (INT, "+3", 3),
        (INT, "1e3", 1000),
        (INT, "three", "three"),
        (FLOAT, ".5", 0.5),
        (FLOAT, "nan", "nan"),
        (FLOAT, "8", 8),
        (BOOL, " Yes", True),
        (BOOL, "0", False),
        (BOOL, "maybe", "maybe"),
        (LIST, "[1, 2]", [1, 2]),
        (LIST, "1, 2", "1, 2"),
        (optional(INT), "null", None),
        (optional(INT), "4", 4),
        (union(BOOL, INT), "4", 4),
        (union(BOOL, INT), "x", "x"),
        (Type("dict"), '{"a": 1}', {"a": 1}),
    ],
)
def test_text_is_read_as_the_declared_type_has_it(type_: Type, text: str, value: Any) -> None:
    read = parse_text(type_, text)

    assert read == value
    assert type(read) is type(value)


def test_literals_have_types_of_their_own() -> None:
    assert [str(literal_type(value)) for value in (True, 1, 0.5, "a", None)] == ["bool", "int", "float", "str", "any"]


def test_words_of_a_message() -> None:
    assert nearest("STEPS", ["steps", "seed"]) == "steps"
    assert nearest("zzz", ["steps"]) is None
    assert listing([]) == "none"
    assert listing([str(number) for number in range(10)]) == "0, 1, 2, 3, 4, 5, 6, 7 and 2 more"
    assert shorten("x" * 100) == f'"{"x" * 56}…'
    assert shorten({1}) == "set {1}"
    assert shorten({0: None}) == "dict {0: None}"
    assert [kind_of(value) for value in (None, True, 1, 0.5, "a", [], {})] == [
        "nothing (null)",
        "true or false",
        "a whole number",
        "a number",
        "a text",
        "a list",
        "an object",
    ]


@pytest.mark.parametrize(
    ("input", "starts"),
    [
        (Input("value", Type("int")), True),
        (Input("value", Type("optional", (Type("list", (Type("int"),)),)), range=Range(le=5)), True),
        (Input("value", Type("int"), range=Range(ge=-5)), False),
        (Input("value", Type("int"), range=Range(gt=-5)), False),
        (Input("value", Type("int"), choices=(-1, 1)), False),
        (Input("value", Type("float")), False),
    ],
)
def test_whole_numbers_start_at_zero_unless_the_input_says_otherwise(input: Input, starts: bool) -> None:
    assert starts_at_zero(input) is starts
