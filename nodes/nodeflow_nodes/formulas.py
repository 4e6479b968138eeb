"""The node that computes a formula."""

from typing import Annotated, NamedTuple

from nodeflow.api import Field, InputError, Lane, Text, node
from nodeflow_nodes.arithmetic import FormulaError, Value, compute, read

_MOST = 2**53 - 1

Formula = Annotated[str, Text(), Field(max_length=1000)]
Variable = Annotated[int | float | bool, Field(ge=-_MOST, le=_MOST)]


class Computed(NamedTuple):
    """The value of a formula.

    Attributes:
        number: As it came out, with its decimals if it has any; a yes is 1, a no is 0.
        integer: Without the decimals.
        boolean: False for 0, true for everything else.
    """

    number: float
    integer: int
    boolean: bool


@node("MathExpression", category="values", title="Formula", lane=Lane.CPU)
def math_expression(
    expression: Formula = "a + b", a: Variable = 0, b: Variable = 0, c: Variable = 0, d: Variable = 0
) -> Computed:
    """Compute with numbers: `+ - * / // % **`, comparisons, `and or not`, `x if a > b else y`, and functions.

    There are abs, min, max, clamp, lerp, round, floor, ceil, trunc, int, float, bool, gcd, pow, sqrt, exp, log, log2,
    log10, hypot, sin, cos, tan, asin, acos, atan, atan2, degrees, radians, and the numbers pi, tau and e.

    Args:
        expression: Such as `max(a, b) * 2`; whole numbers stay whole, except by `/`.
        a: What `a` stands for.
        b: What `b` stands for.
        c: What `c` stands for.
        d: What `d` stands for.
    """
    try:
        value = compute(expression, {"a": a, "b": b, "c": c, "d": d})
    except FormulaError as error:
        raise InputError("expression", str(error)) from None
    if isinstance(value, int) and abs(value) > _MOST:
        way_out = "divide it, or write float(…) around the formula if the last digits do not matter"
        raise InputError("expression", f"the result {value:.6e} is a whole number beyond ±{_MOST}; {way_out}")
    return Computed(float(value) if isinstance(value, bool) else value, int(value), bool(value))


@math_expression.check
def _can_be_read(expression: str) -> None:
    try:
        read(expression, ("a", "b", "c", "d"))
    except FormulaError as error:
        raise InputError("expression", str(error)) from None


@math_expression.check
def _has_a_value(expression: str, a: Value, b: Value, c: Value, d: Value) -> None:
    math_expression(expression, a, b, c, d)
