"""What a formula may say, and how it is computed: numbers only, within bounds, by a library that runs no code."""

import ast
import math
import re
import warnings
from collections.abc import Callable, Collection, Iterator, Mapping
from types import MappingProxyType
from typing import Any, Final, NamedTuple, cast

import simpleeval  # type: ignore[import-untyped]

Value = int | float | bool
Handler = Callable[[Any], Any]

_MOST_BITS: Final = 1000
"""Of a whole number on the way to the result; the largest float has 1024."""
_MOST_DECIMALS: Final = 15
_SHOWN: Final = 80
"""Characters of a formula in a message."""

_PARTS: Final = (
    ast.Expr, ast.Constant, ast.Name, ast.UnaryOp, ast.BinOp, ast.BoolOp, ast.Compare, ast.IfExp, ast.Call
)  # fmt: skip
_OPERATORS: Final = (
    ast.Add, ast.Sub, ast.Mult, ast.Div, ast.FloorDiv, ast.Mod, ast.Pow, ast.LShift, ast.RShift, ast.BitAnd, ast.BitOr,
    ast.USub, ast.UAdd, ast.Not, ast.Eq, ast.NotEq, ast.Lt, ast.LtE, ast.Gt, ast.GtE, ast.And, ast.Or,
)  # fmt: skip
_MEANINGLESS: Final = re.compile(r"[^\w .,+\-*/%()<>=!&|]|[^\x00-\x7f]")
_GLUED: Final = re.compile(r"(?<![\w.])(\d[\d.]*)(?![eE][+-]?\d)[A-Za-z_(]")


class FormulaError(ValueError):
    """A formula that cannot be read or computed; the message says where."""


class _NoValue(ValueError):
    """What a function of ours cannot compute; the message says why."""


class Function(NamedTuple):
    """A function that formulas may call, with at least and at most so many numbers."""

    call: Callable[..., Any]
    least: int = 1
    most: int = 1


def power(base: Value, exponent: Value) -> Value:
    """`base` to the power of `exponent`, unless that has far too many digits."""
    if isinstance(base, int) and isinstance(exponent, int):
        if abs(base) > 1 and base.bit_length() * exponent > 2 * _MOST_BITS:
            raise OverflowError
    elif base < 0 and exponent != int(exponent):
        raise _NoValue("such a root of a negative number is no number")
    result: Value = base**exponent
    return result


def shifted(value: int, by: int) -> int:
    """`value` shifted to the left, unless that has far too many digits."""
    if by > _MOST_BITS:
        raise OverflowError
    return value << by


def rounded(value: Value, decimals: int = 0) -> Value:
    """A whole number, or a number with so many decimals."""
    if abs(decimals) > _MOST_DECIMALS:
        raise _NoValue(f"there are at most {_MOST_DECIMALS} decimals")
    return round(value, decimals) if decimals else round(value)


def clamped(value: Value, low: Value, high: Value) -> Value:
    """`value`, but not below `low` and not above `high`."""
    return min(max(value, low), high)


def between(start: Value, end: Value, share: Value) -> Value:
    """`start` at share 0, `end` at share 1, evenly in between."""
    return start + (end - start) * share


FUNCTIONS: Final[Mapping[str, Function]] = MappingProxyType(
    {
        "abs": Function(abs),
        "min": Function(min, 2, 100),
        "max": Function(max, 2, 100),
        "clamp": Function(clamped, 3, 3),
        "lerp": Function(between, 3, 3),
        "round": Function(rounded, 1, 2),
        "floor": Function(math.floor),
        "ceil": Function(math.ceil),
        "trunc": Function(math.trunc),
        "int": Function(int),
        "float": Function(float),
        "bool": Function(bool),
        "gcd": Function(math.gcd, 2, 2),
        "pow": Function(power, 2, 2),
        "sqrt": Function(math.sqrt),
        "exp": Function(math.exp),
        "log": Function(math.log, 1, 2),
        "log2": Function(math.log2),
        "log10": Function(math.log10),
        "hypot": Function(math.hypot, 2, 2),
        "sin": Function(math.sin),
        "cos": Function(math.cos),
        "tan": Function(math.tan),
        "asin": Function(math.asin),
        "acos": Function(math.acos),
        "atan": Function(math.atan),
        "atan2": Function(math.atan2, 2, 2),
        "degrees": Function(math.degrees),
        "radians": Function(math.radians),
    }
)
CONSTANTS: Final[Mapping[str, Value]] = MappingProxyType({"pi": math.pi, "tau": math.tau, "e": math.e})


def compute(formula: str, variables: Mapping[str, Value]) -> Value:
    """The value of a formula; whole numbers stay whole, and no function draws at random.

    Raises:
        FormulaError: It cannot be read, or has no value for these variables.
    """
    text = _line(formula)
    tree = read(formula, variables)
    library = cast(Any, simpleeval)  # which has no types
    evaluator = library.SimpleEval(
        {**library.DEFAULT_OPERATORS, ast.Pow: power, ast.LShift: shifted},
        {name: function.call for name, function in FUNCTIONS.items()},
        {**CONSTANTS, **variables},
    )
    evaluator.nodes = {part: _bounded(text, evaluator.nodes[part]) for part in _PARTS}
    try:
        value: Value = evaluator.eval(text, tree)
    except RecursionError:
        raise FormulaError("the formula is nested too deeply") from None
    return value


def read(formula: str, variables: Collection[str]) -> ast.Expr:
    """A formula taken apart; nothing is computed.

    Args:
        formula: What the user wrote.
        variables: The names it may use, beside constants and functions.

    Raises:
        FormulaError: It is no formula, or uses a name that there is not.
    """
    text = _line(formula)
    if not text:
        raise FormulaError("there is no formula; write one such as a + b * 2")
    if wrong := _MEANINGLESS.search(text):
        way_out = "; a power is written a ** b" if wrong[0] == "^" else ""
        raise _fault(text, wrong.start(), f"{wrong[0]!r} has no meaning here{way_out}")
    if glued := _GLUED.search(text):
        raise _fault(text, glued.end() - 1, f"an operator is missing; a product is written {glued[1]} * …")
    tree = _parsed(text)
    for place, complaint in sorted(_complaints(tree, variables)):
        raise _fault(text, place, complaint)
    return tree


def _line(formula: str) -> str:
    return re.sub(r"\s", " ", formula).strip()


def _fault(text: str, place: int, complaint: str) -> FormulaError:
    shown = text if len(text) <= _SHOWN else f"…{text[max(0, place - _SHOWN // 2) : place + _SHOWN // 2]}…"
    return FormulaError(f'{complaint}, at character {place + 1} of "{shown}"')


def _parsed(text: str) -> ast.Expr:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what Python thinks of the style of a formula is nobody's concern
            body = ast.parse(text).body
    except SyntaxError as error:
        raise _fault(text, max((error.offset or 1) - 1, 0), "this is no formula") from None
    except (RecursionError, MemoryError):
        raise FormulaError("the formula is nested too deeply") from None
    if len(body) != 1 or not isinstance(body[0], ast.Expr):
        way_out = "; to compare is written ==" if "=" in text else ""
        raise FormulaError(f'"{text[:_SHOWN]}" is no formula{way_out}')
    return body[0]


def _complaints(tree: ast.Expr, variables: Collection[str]) -> Iterator[tuple[int, str]]:
    """What is wrong, with the place in the line."""
    called: set[ast.AST] = set()
    for part in ast.walk(tree):
        place = getattr(part, "col_offset", 0)
        match part:
            case ast.Call(ast.Name(name) as callee, arguments, keywords):
                called.add(callee)
                if complaint := _call_complaint(name, len(arguments), bool(keywords)):
                    yield place, complaint
            case ast.Name(name) if part not in called and name not in variables and name not in CONSTANTS:
                known = ", ".join([*variables, *CONSTANTS])
                yield place, f"there is no {name!r}; expected one of {known}, or a function such as min(a, b)"
            case ast.Constant(bool() | int() | float()) | ast.expr_context():
                continue
            case ast.operator() | ast.unaryop() | ast.cmpop() | ast.boolop() if isinstance(part, _OPERATORS):
                continue
            case ast.keyword():
                continue
            case ast.Call() | ast.Constant():
                yield place, "this is no number"
            case _ if not isinstance(part, _PARTS):
                yield place, "this has no meaning in a formula"
            case _:
                continue


def _call_complaint(name: str, count: int, named: bool) -> str | None:
    function = FUNCTIONS.get(name)
    if function is None:
        return f"there is no function {name!r}; expected one of {', '.join(FUNCTIONS)}"
    if named:
        return f"what {name} is given has no names; write {name}(a, b)"
    if function.least <= count <= function.most:
        return None
    most = "" if function.least == function.most else f" to {function.most}"
    return f"{name} takes {function.least}{most} numbers and is given {count}"


def _bounded(text: str, handler: Handler) -> Handler:
    """A handler of the library that says where it failed and lets nothing grow without end."""

    def handle(part: ast.expr) -> Value:
        try:
            value: Value = handler(part)
            if not math.isfinite(value) or (isinstance(value, int) and value.bit_length() > _MOST_BITS):
                raise OverflowError
        except FormulaError:
            raise
        except ZeroDivisionError:
            complaint = "division by zero"
        except OverflowError:
            complaint = "the number becomes too large"
        except TypeError:
            complaint = "whole numbers are needed here"
        except _NoValue as error:
            complaint = str(error)
        except ValueError:
            complaint = "there is no value here"
        else:
            return value
        raise _fault(text, getattr(part, "col_offset", 0), complaint)

    return handle
