"""Formulas: what they compute, what they refuse, and that nobody can make one run without end."""

import time

import pytest

from nodeflow.api import InputError
from nodeflow.core.node import node_mark
from nodeflow_nodes.arithmetic import FUNCTIONS
from nodeflow_nodes.formulas import math_expression


@pytest.mark.parametrize(
    ("formula", "value"),
    [
        ("a + b * 2", 8),
        ("7 // 2", 3),
        ("7 / 2", 3.5),
        ("2 ** 10", 1024),
        ("2**53 - 1 - 1", 2**53 - 2),
        ("-a % 5", 3),
        ("1 << 4 | 1", 17),
        ("max(a, b, 10) if a < b <= 3 else 0", 10),
        ("not (a and b) or False", False),
        ("round(2.567, 1) + round(2.5)", 4.6),
        ("clamp(a * 100, 0, 64) + lerp(0, 10, 0.5)", 69.0),
        ("floor(pi) + ceil(e) + trunc(-tau)", 0),
        (" 1e3 +\n .5 ", 1000.5),
        ("hypot(3, 4) + sqrt(16) + log(8, 2) + gcd(12, 18)", 18.0),
    ],
)
def test_a_formula_computes(formula: str, value: float) -> None:
    number, integer, boolean = math_expression(formula, 2, 3)
    assert number == pytest.approx(float(value))
    assert type(number) is (float if isinstance(value, bool) else type(value))
    assert (type(integer), type(boolean)) == (int, bool)
    assert (integer, boolean) == (int(value), bool(value))


def test_whole_numbers_stay_whole_and_exact() -> None:
    assert math_expression("(a * 3 + b) // 3", 2**53 - 1, 1).integer == 2**53 - 1


@pytest.mark.parametrize(
    ("formula", "value"), [("2 ** 60", 2.0**60), ("-(2 ** 53)", -(2.0**53)), ("a * 3", 3 * 2.0**53)]
)
def test_a_whole_number_that_no_document_can_hold_is_refused(formula: str, value: float) -> None:
    with pytest.raises(InputError, match=r"^expression: the result .* beyond ±9007199254740991; divide it"):
        math_expression(formula, 2**53 - 1)
    assert math_expression(f"float({formula})", 2**53 - 1).number == pytest.approx(value)


@pytest.mark.parametrize(
    ("formula", "complaint"),
    [
        ("", "there is no formula"),
        ("1 / (a - a)", 'division by zero, at character 1 of "1 / (a - a)"'),
        ("2 + sqrt(-1)", 'there is no value here, at character 5 of "2 + sqrt(-1)"'),
        ("(0 - 8) ** 0.5", "root of a negative number"),
        ("1.5 & 2", "whole numbers are needed"),
        ("1 << -1", "there is no value here"),
        ("2a", "a product is written 2 * …, at character 2"),
        ("2^3", "a power is written a ** b, at character 2"),
        ("x + 1", "there is no 'x'; expected one of a, b, c, d"),
        ("rand(3)", "there is no function 'rand'; expected one of abs"),
        ("min(1)", "min takes 2 to 100 numbers and is given 1"),
        ("sqrt(1, 2)", "sqrt takes 1 numbers and is given 2"),
        ("min(a, b=2)", "what min is given has no names"),
        ("min(*a, *b)", "no meaning in a formula"),
        ("a.real", "no meaning in a formula, at character 1"),
        ("a in b", "no meaning in a formula"),
        ("a[0]", "'[' has no meaning here, at character 2"),
        ("'x' * 9", "has no meaning here, at character 1"),
        ("None", "this is no number"),
        ("max(2, 3)(4)", "this is no number"),
        ("lambda: 1", "has no meaning here"),
        ("a if", "this is no formula, at character 5"),
        ("a = 2", "to compare is written =="),
        ("import os", '"import os" is no formula'),
        ("⅓ + 1", "has no meaning here"),
        ("__import__(1)", "there is no function '__import__'"),
        ("a" * 200, "there is no"),
    ],
)
def test_what_is_no_formula_is_told_in_one_line(formula: str, complaint: str) -> None:
    with pytest.raises(InputError, match=r"^expression: ") as caught:
        math_expression(formula, 2)
    assert complaint in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "formula",
    [
        "9**9**9",
        "9**9**9**9",
        "-9**9**9",
        "1 << 10**9",
        "2 ** 999 * 2 ** 999",
        "1e308 * 10",
        "1e999",
        "10.0 ** 400",
        "round(5, -10**9)",
        "(" * 300 + "1" + ")" * 300,
        "-" * 900 + "1",
        "9" * 900 + "**2",
    ],
)
def test_no_formula_runs_without_end(formula: str) -> None:
    started = time.perf_counter()
    with pytest.raises(InputError, match=r"too large|too deeply|no formula|at most 15 decimals"):
        math_expression(formula)
    assert time.perf_counter() - started < 0.5


def test_a_long_formula_is_quoted_where_it_is_wrong() -> None:
    with pytest.raises(InputError) as caught:
        math_expression(f"{'1 + ' * 100}nothing")
    assert len(str(caught.value)) < 300
    assert "nothing" in str(caught.value)


def test_nothing_is_drawn_at_random() -> None:
    assert {"rand", "randint", "random"}.isdisjoint(FUNCTIONS)


def test_every_function_is_described() -> None:
    for name in FUNCTIONS:
        assert name in (math_expression.__doc__ or "")


def test_a_formula_is_tried_before_anything_runs() -> None:
    mark = node_mark(math_expression)
    assert mark is not None
    readable, valued = mark.checks
    with pytest.raises(InputError, match="there is no 'x'"):
        readable("x + 1")
    readable("1 / a")  # whether a is 0 is known when it has a value
    with pytest.raises(InputError, match="division by zero"):
        valued("1 / a", 0, 0, 0, 0)
    valued("1 / a", 2, 0, 0, 0)
